namespace Mamba.Optimization;

/// <summary>The settings of <see cref="AdamW"/>: those of <see cref="Adam"/>, with PyTorch's weight decay.</summary>
/// <example>
/// <code>
/// AdamWOptions options = new() { LearningRate = 1e-3, Beta2 = 0.95, WeightDecay = 0.1 };
/// </code>
/// </example>
public sealed record AdamWOptions : AdamOptions
{
    /// <summary>Makes the default settings: <c>η = 1e-3</c>, <c>λ = 0.01</c>.</summary>
    public AdamWOptions() => WeightDecay = 0.01;
}
