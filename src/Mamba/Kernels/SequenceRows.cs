using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The rows of one sequence, as a convolution reads them.</summary>
/// <param name="tokens">One row for each token; null if a gradient is not wanted.</param>
/// <param name="length">Number of tokens.</param>
/// <param name="window">The rows before the first token, oldest first; null for zeros, or if not wanted.</param>
/// <param name="order">The rows that time visits, by default one after the other.</param>
internal readonly struct SequenceRows(Rows tokens, int length, Rows window, TokenOrder order = default)
{
    public Rows Tokens { get; } = tokens;

    public int Length { get; } = length;

    public Rows Window { get; } = window;

    /// <summary>The rows that time visits; all but <see cref="FromWindowOn"/> take tokens as they stand.</summary>
    public TokenOrder Order { get; } = order;

    /// <summary>Locates a row, counted from the start of a window of <paramref name="before"/> rows.</summary>
    public (Rows Rows, nint Row) FromWindowOn(int row, int before) =>
        row < before ? (Window, row) : (Tokens, Order[row - before]);
}
