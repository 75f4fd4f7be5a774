namespace Mamba.Gpu.Kernels;

/// <summary>
/// How a kernel loads four adjacent elements. Without bounds checks the kernel is shorter, and fetching instructions is
/// much of the time of a decoding step's kernels.
/// </summary>
internal interface IRowWords
{
    static abstract QuadWords Load(GpuRows rows, int row, int column, int width);
}

/// <summary>Loads from aligned rows, four elements inside the row.</summary>
internal readonly struct WholeWords : IRowWords
{
    public static QuadWords Load(GpuRows rows, int row, int column, int width) => rows.LoadWords(row, column);
}

/// <summary>Loads from any rows; zeros past their end.</summary>
internal readonly struct WordsUpTo : IRowWords
{
    public static QuadWords Load(GpuRows rows, int row, int column, int width) => rows.LoadWords(row, column, width);
}
