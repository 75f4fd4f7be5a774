using Mamba.Layers;

namespace Mamba.Tasks;

/// <summary>What every task's run is told: which models, how large, how trained.</summary>
internal sealed record RunSettings
{
    /// <summary>Names of kinds of layers, or "all".</summary>
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>Width of the model, D.</summary>
    public int Dim { get; init; } = 64;

    /// <summary>Number of layers.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>States, N, one model for each; empty: what is usual for the kind of layer.</summary>
    public IReadOnlyList<int> States { get; init; } = [];

    /// <summary>Width of a head, P, where there are heads.</summary>
    public int HeadDim { get; init; } = 16;

    /// <summary>Sequences of a step.</summary>
    public required int Batch { get; init; }

    /// <summary>Steps at most.</summary>
    public required long Steps { get; init; }

    /// <summary>Largest step size.</summary>
    public required double Rate { get; init; }

    /// <summary>Whether the rate falls as a cosine does.</summary>
    public bool Cosine { get; init; }

    /// <summary>How fast weights shrink.</summary>
    public double WeightDecay { get; init; }

    /// <summary>The accuracy on validation data that is enough when found twice in a row; above 1: none is.</summary>
    public double StopAt { get; init; } = 0.995;

    /// <summary>Seed of the data and of the first weights.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Threads; null: one per core.</summary>
    public int? Threads { get; init; }

    /// <summary>The models to train: name and layers.</summary>
    public IEnumerable<(string Name, MixerOptions[] Layers)> Schedules =>
        from variant in Variant.Named(Models)
        from states in States.Count > 0 ? States : [variant.StateDim]
        select ($"{variant.Name}, N={states}", Enumerable.Repeat(variant.Options(this, states), Layers).ToArray());

    /// <summary>How to train.</summary>
    /// <param name="evaluateEvery">Steps from one look at the accuracy to the next.</param>
    public TrainingPlan Plan(int evaluateEvery) => new()
    {
        Steps = Steps,
        Rate = Rate,
        Cosine = Cosine,
        WeightDecay = WeightDecay,
        EvaluateEvery = evaluateEvery,
        StopAt = StopAt,
    };
}
