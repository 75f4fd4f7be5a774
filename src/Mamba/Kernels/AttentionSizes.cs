namespace Mamba.Kernels;

/// <summary>The sizes of one head's attention.</summary>
/// <param name="Past">Keys before the first token.</param>
/// <param name="Length">Tokens.</param>
/// <param name="HeadDim">Width of a head.</param>
internal readonly record struct AttentionSizes(int Past, int Length, int HeadDim)
{
    /// <summary>1/√P.</summary>
    public float Scale { get; } = 1f / MathF.Sqrt(HeadDim);
}
