using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Rows and columns that are shared out to threads, four neighbours of a row to each.</summary>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Number of columns.</param>
/// <param name="columnGroups">Groups that one row is shared out to.</param>
internal readonly struct Plane(long rows, long width, int columnGroups)
{
    /// <summary>Number of columns.</summary>
    public long Width { get; } = width;

    /// <summary>This thread's row.</summary>
    public long Row => ((long)(Grid.IdxX / columnGroups) * Group.DimY) + Group.IdxY;

    /// <summary>The first of this thread's columns.</summary>
    public long Column => 4 * (((long)(Grid.IdxX % columnGroups) * Group.DimX) + Group.IdxX);

    /// <summary>Whether there is anything for this thread.</summary>
    public bool Contains(long row, long column) => row < rows && column < Width;
}
