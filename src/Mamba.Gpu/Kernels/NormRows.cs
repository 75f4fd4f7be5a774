using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Divides the rows of a norm, or equal parts of rows that are normalised separately, among threads. The threads of one
/// y share a row. A group handles one part of several rows.
/// </summary>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Columns of a part.</param>
/// <param name="parts">Parts of a row.</param>
/// <param name="steps">Rows that the threads of one y handle, one after the other.</param>
internal readonly struct NormRows(long rows, int width, int parts, int steps)
{
    /// <summary>Columns of a part.</summary>
    public int Width { get; } = width;

    /// <summary>Rows that the threads of one y handle.</summary>
    public int Steps { get; } = steps;

    /// <summary>Index of this group's block of rows.</summary>
    public int Block => Grid.IdxX / parts;

    /// <summary>The first of this thread's columns.</summary>
    public long Column => Start + (4 * Group.IdxX);

    /// <summary>Columns from one of this thread's quads to the next.</summary>
    public static int ColumnStep => 4 * Group.DimX;

    private long Start => (long)(Grid.IdxX % parts) * Width;

    /// <summary>This thread's row.</summary>
    public long Row(int step) => ((((long)Block * Steps) + step) * Group.DimY) + Group.IdxY;

    /// <summary>End of the part's columns; 0 past the last row.</summary>
    public long End(long row) => row < rows ? Start + Width : 0;
}
