using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The rows of one sequence, as a convolution reads them.</summary>
/// <param name="tokens">One row for each token; null if the gradient is not needed.</param>
/// <param name="length">Number of tokens.</param>
/// <param name="window">The rows before the first token, oldest first; null: zeros, or a gradient not needed.</param>
internal readonly struct SequenceRows(Rows tokens, int length, Rows window)
{
    public Rows Tokens { get; } = tokens;

    public int Length { get; } = length;

    public Rows Window { get; } = window;

    /// <summary>Finds a row by its index from the start of a window of <paramref name="before"/> rows.</summary>
    public (Rows Rows, nint Row) FromWindowOn(int row, int before, TokenOrder order) =>
        row < before ? (Window, row) : (Tokens, order[row - before]);
}
