namespace Mamba.Kernels;

/// <summary>The order in which the tokens of a sequence are visited.</summary>
/// <param name="positions">The row of each step, relative to <paramref name="origin"/>; null: consecutive rows.</param>
/// <param name="origin">The row that positions are relative to; without positions, the row of step 0.</param>
/// <param name="isBackward">Whether rows descend from step to step; used if positions are null.</param>
internal readonly unsafe struct TokenOrder(int* positions, nint origin, bool isBackward)
{
    /// <summary>The row of step <paramref name="t"/>, from the sequence's first row; by default t itself.</summary>
    public nint this[nint t] => positions != null ? origin + positions[t] : isBackward ? origin - t : origin + t;

    /// <summary>The same order from a step on.</summary>
    public TokenOrder From(nint step) => positions != null
        ? new(positions + step, origin, isBackward: false)
        : new(null, isBackward ? origin - step : origin + step, isBackward);
}
