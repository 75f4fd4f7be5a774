namespace Mamba.Optimization;

/// <summary>The settings of <see cref="AdamW"/>: those of <see cref="Adam"/>, with PyTorch's weight decay.</summary>
public sealed record AdamWOptions : AdamOptions
{
    /// <summary>Makes the default settings: <c>η = 1e-3</c>, <c>λ = 0.01</c>.</summary>
    public AdamWOptions() => WeightDecay = 0.01;
}
