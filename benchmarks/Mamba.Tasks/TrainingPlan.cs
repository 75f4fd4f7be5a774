using Mamba.Optimization;

namespace Mamba.Tasks;

/// <summary>How long and how fast a module is trained, and when one looks how good it is.</summary>
internal sealed record TrainingPlan
{
    /// <summary>Steps at most.</summary>
    public required long Steps { get; init; }

    /// <summary>Largest step size.</summary>
    public required double Rate { get; init; }

    /// <summary>Steps in which the rate rises from zero.</summary>
    public int Warmup { get; init; } = 50;

    /// <summary>Whether the rate then falls to zero as a cosine does; else it stays.</summary>
    public bool Cosine { get; init; }

    /// <summary>How fast weights shrink.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Steps from one look to the next.</summary>
    public int EvaluateEvery { get; init; } = 100;

    /// <summary>The accuracy that is enough, when it is found twice in a row; above 1: none is.</summary>
    public required double StopAt { get; init; }

    /// <summary>The rate of every step.</summary>
    public LearningRateSchedule Schedule => new()
    {
        Kind = Cosine ? LearningRateKind.Cosine : LearningRateKind.Constant,
        Peak = Rate,
        WarmupSteps = Math.Min(Warmup, Steps - 1),
        TotalSteps = Steps,
    };
}
