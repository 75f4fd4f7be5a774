namespace Mamba.Optimization;

/// <summary>The settings of <see cref="Sgd"/>; the defaults are PyTorch's.</summary>
/// <example>
/// <code>
/// SgdOptions options = new() { LearningRate = 0.1, Momentum = 0.9, Nesterov = true };
/// </code>
/// </example>
public sealed record SgdOptions : OptimizerOptions
{
    /// <summary>How much of the last step is kept, μ; with 0 nothing is kept, and there is no state.</summary>
    public double Momentum { get; init; }

    /// <summary>Whether the gradient is looked for where the momentum leads (Nesterov).</summary>
    public bool Nesterov { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Setting.RequireDecay(Momentum, nameof(Momentum));
        Setting.Require(
            !Nesterov || Momentum > 0, nameof(Nesterov), "false where Momentum is 0", $"{Nesterov} with {Momentum}");
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, object Value)> ListSettings() =>
        [("momentum", Momentum), ("nesterov", Nesterov)];
}
