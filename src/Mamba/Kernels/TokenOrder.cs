namespace Mamba.Kernels;

/// <summary>The rows of a sequence's tokens in the order in which time visits them.</summary>
/// <param name="positions">
/// The row of each step, counted from <paramref name="origin"/>; null: one after the other.
/// </param>
/// <param name="origin">The row that positions are counted from; without positions the row of the first step.</param>
/// <param name="isBackward">Whether rows fall from step to step, if there are no positions.</param>
internal readonly unsafe struct TokenOrder(int* positions, nint origin, bool isBackward)
{
    /// <summary>The row of step <paramref name="t"/>, counted from the sequence's first; by default t itself.</summary>
    public nint this[nint t] => positions != null ? origin + positions[t] : isBackward ? origin - t : origin + t;

    /// <summary>The same order from a step on.</summary>
    public TokenOrder From(nint step) => positions != null
        ? new(positions + step, origin, isBackward: false)
        : new(null, isBackward ? origin - step : origin + step, isBackward);
}
