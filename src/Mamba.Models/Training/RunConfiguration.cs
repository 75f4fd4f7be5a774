using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Models.Training;

/// <summary>Every setting that affects the result of a run, as culture-invariant lines <c>name: value</c>.</summary>
/// <remarks>
/// If these lines change, older runs cannot be resumed: increment the version of the record's format.
/// </remarks>
internal static class RunConfiguration
{
    private const string None = "none", Frozen = "frozen weights", Separator = ": ";

    /// <summary>The lines of a run. The caller's own come first.</summary>
    public static string[] Lines(
        Module module,
        Optimizer optimizer,
        TrainerOptions options,
        IReadOnlyList<LayerState> states,
        string frozenHash) =>
    [
        .. options.Configuration.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        .. OfOptimizer(optimizer, module),
        .. OfSchedule(options.Schedule),
        Line("batches of a step", options.Accumulation),
        Line("largest norm of gradients", options.ClipNorm),
        Line("decay of the average", options.AverageDecay),
        .. module.Parameters.Select(named => Line($"weights {named.Name}", Describe(named.Parameter))),
        Line(Frozen, frozenHash),
        Line("carried states", states.Count),
        .. states.Select((state, i) => Line($"carried state {i}", Describe(state))),
    ];

    /// <summary>
    /// Describes the first few settings in which two configurations differ; null if they are equal.
    /// </summary>
    public static string? Difference(IReadOnlyList<string> then, IReadOnlyList<string> now)
    {
        const int Most = 3;
        if (then.SequenceEqual(now))
        {
            return null;
        }

        List<string> words = [], come = [.. now.Except(then)];
        foreach (string gone in then.Except(now))
        {
            string? partner = come.Find(line => NameOf(line) is { } name && name == NameOf(gone));
            come.Remove(partner ?? "");
            words.Add(partner is null ? $"\"{gone}\" then"
                : NameOf(gone) == Frozen ? $"{Frozen}: other values now"
                : $"{gone} then, {partner[(NameOf(partner)!.Length + Separator.Length)..]} now");
        }

        words.AddRange(come.Select(line => $"\"{line}\" now"));
        return words.Count == 0 ? "the order of the settings"
            : string.Join("; ", words.Take(Most)) + (words.Count > Most ? $"; and {words.Count - Most} more" : "");
    }

    /// <summary>A hash of the frozen weights, which a checkpoint does not contain.</summary>
    public static string HashOfFrozen(Module module)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] piece = new float[1 << 18];
        Parameter[] frozen =
            [.. module.Parameters.Select(named => named.Parameter).Where(parameter => !parameter.IsTrainable)];
        foreach (DeviceArray array in frozen.Select(parameter => parameter.Value))
        {
            nint count = array.Shape.Count;
            for (nint start = 0; start < count; start += piece.Length)
            {
                Span<float> part = piece.AsSpan(0, (int)Math.Min(piece.Length, count - start));
                array.ReadElements(start, part);
                hash.AppendData(MemoryMarshal.AsBytes(part));
            }
        }

        return frozen.Length == 0 ? None : $"sha256 {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    private static string[] OfOptimizer(Optimizer optimizer, Module module) =>
    [
        Line("optimiser", optimizer.GetType().Name),
        Line("learning rate", optimizer.Options.LearningRate),
        Line("weight decay", optimizer.Options.WeightDecay),
        .. optimizer.Options.ListSettings().Select(setting => Line(setting.Name, setting.Value)),
        .. OfGroups(optimizer, module),
    ];

    /// <summary>The parameters that a group gives settings other than their defaults.</summary>
    private static IEnumerable<string> OfGroups(Optimizer optimizer, Module module)
    {
        Dictionary<Parameter, ParameterGroup> groups = optimizer.Groups.ToDictionary(
            entry => entry.Parameter, entry => entry.Group);
        foreach ((string name, Parameter parameter) in module.Parameters)
        {
            ParameterGroup usual = new(Decays: parameter.Decays);
            if (groups.TryGetValue(parameter, out ParameterGroup? group) && group != usual)
            {
                yield return Line($"learning rate scale of {name}", group.LearningRateScale);
                yield return Line($"weight decay of {name}", group.Decays ? "yes" : "no");
            }
        }
    }

    /// <summary>The settings that the kind uses: a constant rate does not depend on the number of steps.</summary>
    private static IEnumerable<string> OfSchedule(LearningRateSchedule? schedule)
    {
        yield return Line("schedule", schedule?.Kind);
        if (schedule is null)
        {
            yield break;
        }

        yield return Line("peak learning rate", schedule.Peak);
        yield return Line("warm-up steps", schedule.WarmupSteps);
        if (schedule.Kind != LearningRateKind.Constant)
        {
            yield return Line("steps of the schedule", schedule.TotalSteps);
            yield return Line("floor of the learning rate", schedule.Floor);
        }

        if (schedule.Kind == LearningRateKind.WarmupStableDecay)
        {
            yield return Line("decay steps", schedule.DecaySteps);
        }
    }

    private static string Describe(Parameter parameter) =>
        $"[{Join(parameter.Value.Shape.ToArray())}], {(parameter.IsTrainable ? "trained" : "frozen")}";

    /// <summary>The sizes of an empty state; its number of tokens is not a setting.</summary>
    private static string Describe(LayerState state)
    {
        using LayerState empty = state.CreateEmpty(state.Batch);
        return string.Join(' ', empty.Arrays.Select(array => $"[{Join(array.Shape.ToArray())}]"));
    }

    private static string Join(IEnumerable<int> numbers) =>
        string.Join(", ", numbers.Select(number => number.ToString(CultureInfo.InvariantCulture)));

    private static string Line(string name, object? value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}{Separator}{value ?? None}");

    private static string? NameOf(string line) =>
        line.IndexOf(Separator, StringComparison.Ordinal) is >= 0 and int at ? line[..at] : null;
}
