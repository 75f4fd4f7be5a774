namespace Mamba.Gpu.Kernels;

/// <summary>
/// How four neighbours of a row are read: a kernel for rows of which it need not ask where they end is shorter, and
/// reading its code is much of what a step's kernels do.
/// </summary>
internal interface IRowWords
{
    static abstract QuadWords Load(GpuRows rows, int row, int column, int width);
}

/// <summary>From aligned rows, all four inside.</summary>
internal readonly struct WholeWords : IRowWords
{
    public static QuadWords Load(GpuRows rows, int row, int column, int width) => rows.LoadWords(row, column);
}

/// <summary>From any rows; zeros from their end on.</summary>
internal readonly struct WordsUpTo : IRowWords
{
    public static QuadWords Load(GpuRows rows, int row, int column, int width) => rows.LoadWords(row, column, width);
}
