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
        new("mamba1", 16, (run, states) => new MambaMixerOptions { ModelDim = run.Dim, StateDim = states }),
        new("mamba2", 64, (run, states) =>
            new Mamba2MixerOptions { ModelDim = run.Dim, StateDim = states, HeadDim = run.HeadDim }),
    ];

    /// <summary>The kinds of these names; all of them for "all".</summary>
    /// <exception cref="ArgumentException">There is no such kind.</exception>
    public static IReadOnlyList<Variant> Named(IEnumerable<string> names) =>
        [.. names.SelectMany(name => name == "all" ? All : [Find(name)])];

    private static Variant Find(string name) =>
        All.FirstOrDefault(variant => variant.Name == name) ?? throw new ArgumentException(
            $"Expected a model out of {string.Join(", ", All.Select(variant => variant.Name))} or all; found \"{name}\".");
}
