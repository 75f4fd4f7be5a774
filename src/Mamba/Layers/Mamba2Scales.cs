namespace Mamba.Layers;

/// <summary>
/// Constant factors of the outputs of a Mamba-2 mixer's input projection, its bias included. They come from
/// maximal-update parametrisation, by which a model's width does not change the best learning rate.
/// </summary>
/// <param name="Z">Factor of the gate.</param>
/// <param name="X">Factor of x.</param>
/// <param name="B">Factor of B.</param>
/// <param name="C">Factor of C.</param>
/// <param name="Delta">Factor of Δ, before its bias.</param>
/// <remarks>
/// Zuo et al., Falcon-H1, <see href="https://arxiv.org/abs/2507.22448"/>; Yang et al.,
/// <see href="https://arxiv.org/abs/2203.03466"/>.
/// </remarks>
/// <example>
/// <code>
/// Mamba2MixerOptions options = new()
/// {
///     ModelDim = 64,
///     HeadDim = 16,
///     ProjectionScales = new Mamba2Scales(Z: 0.35f, X: 0.25f, B: 0.35f, C: 0.5f, Delta: 0.35f),
/// };
/// </code>
/// </example>
public readonly record struct Mamba2Scales(float Z, float X, float B, float C, float Delta)
{
    internal void Validate()
    {
        foreach (float factor in (ReadOnlySpan<float>)[Z, X, B, C, Delta])
        {
            Setting.Require(
                float.IsFinite(factor), nameof(Mamba2MixerOptions.ProjectionScales), "finite factors", this);
        }
    }

    /// <summary>Writes the factor of each channel of the convolution: x, B and C.</summary>
    internal void Fill(Span<float> channels, Mamba2MixerOptions options)
    {
        int shared = options.Groups * options.StateDim;
        channels[..options.SsmDim].Fill(X);
        channels.Slice(options.SsmDim, shared).Fill(B);
        channels[(options.SsmDim + shared)..].Fill(C);
    }
}
