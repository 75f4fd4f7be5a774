namespace Mamba.Optimization;

/// <summary>The settings of <see cref="Adam"/>; the defaults are PyTorch's.</summary>
/// <example>
/// <code>
/// AdamOptions options = new() { LearningRate = 1e-3, Beta2 = 0.99 };
/// </code>
/// </example>
public record AdamOptions : OptimizerOptions
{
    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the mean square; positive, for both are 0 until a weight has a gradient.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Setting.RequireDecay(Beta1, nameof(Beta1));
        Setting.RequireDecay(Beta2, nameof(Beta2));
        Setting.RequirePositiveFloat(Epsilon, nameof(Epsilon));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, object Value)> ListSettings() =>
        [("beta 1", Beta1), ("beta 2", Beta2), ("epsilon", Epsilon)];
}
