namespace Mamba.Training;

/// <summary>The settings of <see cref="AdamW"/>; the defaults are PyTorch's.</summary>
public sealed record AdamWOptions
{
    /// <summary>Step size.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the mean square.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>How fast weights shrink, apart from their gradients.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Throws on the first setting that makes no sense, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A setting is negative or not a number, or a β is 1 or more.</exception>
    public void Validate()
    {
        RequireIn(LearningRate, double.MaxValue, nameof(LearningRate));
        RequireIn(Beta1, Math.BitDecrement(1.0), nameof(Beta1));
        RequireIn(Beta2, Math.BitDecrement(1.0), nameof(Beta2));
        RequireIn(Epsilon, double.MaxValue, nameof(Epsilon));
        RequireIn(WeightDecay, double.MaxValue, nameof(WeightDecay));
    }

    private static void RequireIn(double value, double high, string name)
    {
        if (!(value >= 0 && value <= high))
        {
            throw new ArgumentOutOfRangeException(name, value, $"Expected a number from 0 to {high}.");
        }
    }
}
