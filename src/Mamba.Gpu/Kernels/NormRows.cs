using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// The rows of a norm, or equal parts of rows that are normalised each for itself, shared out to rows of threads: a
/// group stays with one part and walks down some rows.
/// </summary>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Columns of a part.</param>
/// <param name="parts">Parts of a row.</param>
/// <param name="steps">Rows that a row of threads has, one after the other.</param>
internal readonly struct NormRows(long rows, int width, int parts, int steps)
{
    /// <summary>Columns of a part.</summary>
    public int Width { get; } = width;

    /// <summary>Rows that a row of threads has.</summary>
    public int Steps { get; } = steps;

    /// <summary>Number of this group's block of rows.</summary>
    public int Block => Grid.IdxX / parts;

    /// <summary>The first of this thread's columns.</summary>
    public long Column => Start + (4 * Group.IdxX);

    /// <summary>From one of this thread's columns to the next.</summary>
    public static int ColumnStep => 4 * Group.DimX;

    private long Start => (long)(Grid.IdxX % parts) * Width;

    /// <summary>This thread's row.</summary>
    public long Row(int step) => ((((long)Block * Steps) + step) * Group.DimY) + Group.IdxY;

    /// <summary>Where the part's columns end; 0 where there is no such row.</summary>
    public long End(long row) => row < rows ? Start + Width : 0;
}
