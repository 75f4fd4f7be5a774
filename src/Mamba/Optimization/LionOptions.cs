namespace Mamba.Optimization;

/// <summary>The settings of <see cref="Lion"/>; the defaults are those of its authors.</summary>
/// <example>
/// <code>
/// LionOptions options = new() { LearningRate = 1e-4, WeightDecay = 0.3 };
/// </code>
/// </example>
public sealed record LionOptions : OptimizerOptions
{
    /// <summary>Makes the default settings: <c>η = 1e-4</c>, <c>λ = 0</c>.</summary>
    public LionOptions() => LearningRate = 1e-4;

    /// <summary>How much the mean of gradients counts in a step's direction.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta2 { get; init; } = 0.99;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Setting.RequireDecay(Beta1, nameof(Beta1));
        Setting.RequireDecay(Beta2, nameof(Beta2));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, object Value)> ListSettings() =>
        [("beta 1", Beta1), ("beta 2", Beta2)];
}
