using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A matrix divided among threads, four adjacent columns of a row per thread.</summary>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Number of columns.</param>
/// <param name="columnGroups">Groups that share a row.</param>
internal readonly struct Plane(long rows, long width, int columnGroups)
{
    /// <summary>Number of columns.</summary>
    public long Width { get; } = width;

    /// <summary>This thread's row.</summary>
    public long Row => ((long)(Grid.IdxX / columnGroups) * Group.DimY) + Group.IdxY;

    /// <summary>The first of this thread's four columns.</summary>
    public long Column => 4 * (((long)(Grid.IdxX % columnGroups) * Group.DimX) + Group.IdxX);

    /// <summary>Whether a thread's position is inside the matrix.</summary>
    public bool Contains(long row, long column) => row < rows && column < Width;
}
