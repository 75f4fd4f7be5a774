namespace Mamba.Kernels;

/// <summary>The sizes of one head's attention, and what its queries see.</summary>
/// <param name="Past">Keys before the first token.</param>
/// <param name="Length">Tokens.</param>
/// <param name="Keys">Keys that are not before the first token.</param>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="IsCausal">Whether a query sees no later key than its own.</param>
/// <param name="Window">How many keys a query sees; 0: all.</param>
internal readonly record struct AttentionSizes(
    int Past, int Length, int Keys, int HeadDim, bool IsCausal, int Window)
{
    /// <summary>1/√P.</summary>
    public float Scale { get; } = 1f / MathF.Sqrt(HeadDim);

    /// <summary>The first key that a query sees.</summary>
    public int First(int query) => Window > 0 ? Math.Max(0, Past + query + 1 - Window) : 0;

    /// <summary>The end of the keys that it sees.</summary>
    public int End(int query) => IsCausal ? Past + query + 1 : Keys;
}
