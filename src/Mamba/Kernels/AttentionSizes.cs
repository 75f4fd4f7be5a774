namespace Mamba.Kernels;

/// <summary>The sizes of one head's attention, and the keys that each query attends to.</summary>
/// <param name="Past">Keys before the first token.</param>
/// <param name="Length">Tokens.</param>
/// <param name="Keys">Keys from the first token on.</param>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="IsCausal">Whether a query attends to no key later than its own.</param>
/// <param name="Window">Number of keys that a query attends to; 0: all.</param>
/// <param name="Scale">Factor of the products of queries and keys.</param>
internal readonly record struct AttentionSizes(
    int Past, int Length, int Keys, int HeadDim, bool IsCausal, int Window, float Scale)
{
    /// <summary>The first key that a query attends to.</summary>
    public int First(int query) => Window > 0 ? Math.Max(0, Past + query + 1 - Window) : 0;

    /// <summary>The end of the keys that a query attends to.</summary>
    public int End(int query) => IsCausal ? Past + query + 1 : Keys;
}
