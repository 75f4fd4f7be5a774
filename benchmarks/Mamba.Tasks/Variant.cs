using Mamba.Layers;

namespace Mamba.Tasks;

/// <summary>A kind of layer that is compared with others.</summary>
/// <param name="Name">What it is called on the command line and in tables.</param>
/// <param name="StateDim">States, N, unless others are asked for.</param>
/// <param name="Options">Makes the options of the layer from the run's sizes and N.</param>
internal sealed record Variant(string Name, int StateDim, Func<RunSettings, int, MixerOptions> Options)
{
    /// <summary>All kinds.</summary>
    public static IReadOnlyList<Variant> All { get; } =
    [
        new("mamba1", 16, (run, states) => Mamba1(run, states)),
        new("mamba2", 64, (run, states) => Mamba2(run, states)),
        new("s4d", 16, (run, states) => S4d(run, states)),
        new("mamba1-ungated", 16, (run, states) => Mamba1(run, states) with { Gate = false }),
        new("mamba2-ungated", 64, (run, states) => Mamba2(run, states) with { Gate = false }),
        new("s4d-ungated", 16, (run, states) => S4d(run, states) with { Gate = false }),
    ];

    /// <summary>The kinds of these names; all of them for "all".</summary>
    /// <exception cref="ArgumentException">There is no such kind.</exception>
    public static IReadOnlyList<Variant> Named(IEnumerable<string> names) =>
        [.. names.SelectMany(name => name == "all" ? All : [Find(name)])];

    private static MambaMixerOptions Mamba1(RunSettings run, int states) =>
        new() { ModelDim = run.Dim, StateDim = states };

    private static Mamba2MixerOptions Mamba2(RunSettings run, int states) =>
        new() { ModelDim = run.Dim, StateDim = states, HeadDim = run.HeadDim };

    private static S4dMixerOptions S4d(RunSettings run, int states) =>
        new() { ModelDim = run.Dim, StateDim = states };

    private static Variant Find(string name) =>
        All.FirstOrDefault(variant => variant.Name == name) ?? throw new ArgumentException(
            $"Expected a model out of {string.Join(", ", All.Select(variant => variant.Name))} or all; " +
            $"found \"{name}\".");
}
