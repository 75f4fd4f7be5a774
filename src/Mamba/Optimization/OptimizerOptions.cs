namespace Mamba.Optimization;

/// <summary>The settings that every optimiser has.</summary>
public abstract record OptimizerOptions
{
    /// <summary>Makes settings.</summary>
    protected OptimizerOptions()
    {
    }

    /// <summary>Step size, η.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How fast weights shrink, λ.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Throws on the first setting that makes no sense, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A setting is negative, not a number or beyond a float, a β is 1 or more, or an ε is 0.
    /// </exception>
    public virtual void Validate()
    {
        Setting.RequireFloat(LearningRate, nameof(LearningRate));
        Setting.RequireFloat(WeightDecay, nameof(WeightDecay));
    }

    /// <summary>
    /// Lists the settings beside <see cref="LearningRate"/> and <see cref="WeightDecay"/> that decide what a step
    /// computes. A saved run is resumed only if they are equal.
    /// </summary>
    /// <returns>Their names and values; empty if there are none.</returns>
    public abstract IReadOnlyList<(string Name, object Value)> ListSettings();
}
