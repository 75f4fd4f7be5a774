using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Low-rank fine-tuning (LoRA): trains adapters of about a hundredth of the model's size, and leaves its weights
/// unchanged.
/// </summary>
/// <remarks>Hu et al., <see href="https://arxiv.org/abs/2106.09685"/>.</remarks>
/// <example>
/// <code>
/// LowRank.Adapt(model, new() { Rank = 8, Alpha = 16 }, new Random(1));
/// using AdamW optimizer = new(model, new() { LearningRate = 2e-4 }); // trains the adapters alone
/// // ... train ...
/// model.SaveAdapters("adapter");             // or LowRank.Merge(model) for a plain model
/// </code>
/// </example>
public static class LowRank
{
    /// <summary>
    /// Freezes all parameters and adds a trainable adapter to every projection that the options name. To train other
    /// parameters too, unfreeze them afterwards with <see cref="Parameter.IsTrainable"/>.
    /// </summary>
    /// <param name="module">The model; its output stays bitwise the same.</param>
    /// <param name="options">Names of the projections, rank and scale.</param>
    /// <param name="random">Random source of the initial A.</param>
    /// <returns>Number of adapters.</returns>
    /// <exception cref="ArgumentException">
    /// An option is invalid, or a target matches no projection. Nothing has changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">A projection has an adapter already.</exception>
    public static int Adapt(Module module, LowRankOptions options, Random random)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(random);
        options.Validate();
        (string Name, Linear Linear)[] all = [.. LinearsOf(module)];
        RequireNames(options, [.. all.Select(named => named.Name)]);
        RequireNoAdapters(module);
        Linear[] targets =
        [
            .. all
                .Where(named => options.Targets.Any(target => IsNamed(named.Name, target)))
                .Select(named => named.Linear),
        ];
        Parameter[] frozen = [.. module.Parameters.Select(named => named.Parameter)];
        using DeviceScope scope = module.Device.Scope();
        using OwnedMemoryGuard made = new(module.Device);
        try
        {
            foreach (Linear linear in targets)
            {
                linear.Adapt(options.Rank, options.Alpha, random);
            }
        }
        catch
        {
            Array.ForEach(targets, linear => linear.RemoveAdapter());
            made.Release(); // partially made adapters
            throw;
        }

        foreach (Parameter parameter in frozen)
        {
            parameter.IsTrainable = false;
        }

        return targets.Length;
    }

    /// <summary>
    /// Merges all adapters into the weights and frees them. Narrow weights with an adapter become float32, and all
    /// float32 parameters become trainable.
    /// </summary>
    /// <param name="module">The model; its output stays the same up to rounding.</param>
    /// <returns>Number of merged adapters.</returns>
    /// <exception cref="InvalidOperationException">
    /// An adapted weight, or a weight of an adapter, was never set. Nothing has changed.
    /// </exception>
    public static int Merge(Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        (string Name, Linear Linear)[] adapted =
            [.. LinearsOf(module).Where(named => named.Linear.Adapter is not null)];
        foreach ((string name, Linear linear) in adapted)
        {
            linear.RequireMergeable(name);
        }

        foreach ((_, Linear linear) in adapted)
        {
            linear.Merge();
        }

        SetTrainable(module, true);
        return adapted.Length;
    }

    internal static void RequireNoAdapters(Module module)
    {
        foreach ((string name, Linear linear) in LinearsOf(module))
        {
            if (linear.Adapter is { } adapter)
            {
                throw new InvalidOperationException(
                    $"\"{name}\" has an adapter of rank {adapter.Rank} already; expected none. Merge it first.");
            }
        }
    }

    internal static void SetTrainable(Module module, bool isTrainable)
    {
        foreach ((_, Parameter parameter) in module.Parameters)
        {
            parameter.IsTrainable = isTrainable && parameter.Value.Precision == Precision.Float32;
        }
    }

    /// <summary>Throws if an explicit target matches no projection, or if none of the default targets does.</summary>
    private static void RequireNames(LowRankOptions options, string[] names)
    {
        string[] unknown = [.. options.Targets.Where(target => !names.Any(name => IsNamed(name, target)))];
        if (unknown.Length == options.Targets.Count || (unknown.Length > 0 && !options.HasDefaultTargets))
        {
            throw new ArgumentException(
                $"Targets must be names of projections; found {string.Join(", ", unknown)}. " +
                $"The projections are: {(names.Length == 0 ? "none" : string.Join(", ", names))}.");
        }
    }

    private static IEnumerable<(string Name, Linear Linear)> LinearsOf(Module module) =>
        module.Modules.Where(named => named.Module is Linear).Select(named => (named.Name, (Linear)named.Module));

    private static bool IsNamed(string name, string target) =>
        name == target || name.EndsWith($".{target}", StringComparison.Ordinal);
}
