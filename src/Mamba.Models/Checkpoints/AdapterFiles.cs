using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// Fine-tuned parts of a model in their own folder: adapters under PEFT's names, and every other trainable parameter
/// under its checkpoint name, after the same prefix.
/// </summary>
internal static class AdapterFiles
{
    private const string WeightsName = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";
    private const string Weight = ".weight", A = ".lora_A.weight", B = ".lora_B.weight";

    public static void Save(MambaLanguageModel model, string folder)
    {
        NamedWeight[] weights = [.. WeightNames.Of(model)];
        NamedWeight[] adapted = Array.FindAll(weights, weight => weight.Linear?.Adapter is not null);
        AdapterConfig config = AdapterConfig.Of(Array.ConvertAll(adapted, weight => weight.Linear!.Adapter!));
        NamedWeight[] saved =
        [
            .. adapted.SelectMany(weight => AdapterOf(ModuleOf(weight), weight.Linear!.Adapter!)),
            .. weights.Where(weight => weight.Parameter.IsTrainable).Select(weight => weight with { Linear = null }),
        ];
        if (saved.Length == 0)
        {
            throw new InvalidOperationException(
                "There is nothing to save: expected adapters or trainable parameters; found neither.");
        }

        Array.ForEach(saved, weight => weight.RequireSet());
        SafetensorsWriter writer = new();
        foreach (NamedWeight weight in saved)
        {
            writer.Add(
                Prefix + weight.Name, ElementType.F32, Array.ConvertAll(weight.Shape, size => (long)size), weight.Read);
        }

        ConfigJsonWriter json = new();
        config.Write(
            json,
            [.. adapted.Select(weight => LastPart(ModuleOf(weight))).Distinct().Order(StringComparer.Ordinal)]);
        json.RequireLoadable(
            AdapterConfig.FileName,
            file => AdapterConfig.Read(file),
            "The adapters cannot be saved, because they");
        Directory.CreateDirectory(folder);
        writer.Save(Path.Combine(folder, WeightsName));
        json.Save(Path.Combine(folder, AdapterConfig.FileName));
    }

    public static void Load(MambaLanguageModel model, string folder)
    {
        LowRank.RequireNoAdapters(model);
        AdapterConfig config = AdapterConfig.Read(ConfigJson.Load(LocalFolder.Require(folder, AdapterConfig.FileName)));
        using SafetensorsFile source = SafetensorsFile.Open(LocalFolder.Require(folder, WeightsName));
        Dictionary<string, NamedWeight> weights =
            WeightNames.Of(model).ToDictionary(weight => weight.Name);

        // Reads and checks everything before it changes anything.
        List<Change> changes = [];
        foreach (TensorInfo info in source.Tensors.Values)
        {
            changes.Add(ChangeBy(info, source, config, model, weights));
        }

        if (changes.Count == 0)
        {
            throw new InvalidDataException($"{source.Path}: expected adapters; found no tensors.");
        }

        Parameter[] frozen = [.. model.Parameters.Select(named => named.Parameter)];
        TakeMemory(model.Device, changes);
        Array.ForEach(frozen, parameter => parameter.IsTrainable = false);
        changes.ForEach(change => change.Fill());
    }

    /// <summary>Allocates all memory for the changes, or none.</summary>
    private static void TakeMemory(Device device, List<Change> changes)
    {
        using DeviceScope scope = device.Scope();
        using OwnedMemoryGuard made = new(device);
        try
        {
            changes.ForEach(change => change.Make());
        }
        catch
        {
            changes.ForEach(change => change.Undo());
            made.Release(); // an incomplete adapter
            throw;
        }
    }

    /// <summary>Reads a tensor, and checks the change that it makes.</summary>
    private static Change ChangeBy(
        TensorInfo info,
        SafetensorsFile source,
        AdapterConfig config,
        MambaLanguageModel model,
        Dictionary<string, NamedWeight> weights)
    {
        string name = info.Name.StartsWith(Prefix, StringComparison.Ordinal) ? info.Name[Prefix.Length..] : "";
        foreach (string end in new[] { A, B })
        {
            string module = name.EndsWith(end, StringComparison.Ordinal) ? name[..^end.Length] : "";
            if (weights.TryGetValue(module + Weight, out NamedWeight? adapted) && adapted.Linear is { } linear)
            {
                return Adapter(module, linear, end == A, source, config);
            }
        }

        if (weights.TryGetValue(name, out NamedWeight? weight))
        {
            float[] values = Read(source, info, weight.Shape, "from the model");
            RequireFit(source, info, weight.Parameter.Value, values);
            return new(() => Take(weight, values));
        }

        foreach ((string state, RecurrentMixer mixer, WeightLayout layout) in WeightNames.InitialStates(model))
        {
            if (state == name)
            {
                float[] values = Read(source, info, NamedWeight.ShapeOf(mixer.HiddenShape, layout), "from the model");
                Change change = new(() => Take(new(name, mixer.InitialState!, layout), values));
                return mixer.InitialState is not null
                    ? change
                    : change with { Make = () => mixer.LearnInitialState(), Undo = mixer.ForgetInitialState };
            }
        }

        throw Refusal(name, info, source, weights);
    }

    /// <summary>Distinguishes a tensor of a part that cannot be adapted from one of no part of the model.</summary>
    private static Exception Refusal(
        string name, TensorInfo info, SafetensorsFile source, Dictionary<string, NamedWeight> weights)
    {
        int adapter = name.IndexOf(".lora_", StringComparison.Ordinal);
        string module = adapter < 0 ? name : name[..adapter];
        string[] projections = [.. weights.Values.Where(weight => weight.Linear is not null).Select(ModuleOf)];
        string ends = string.Join(", ", projections.Select(LastPart).Distinct());
        string supported =
            $"Supported are {Prefix}MODULE{A} and {B}, where MODULE ends with {ends}; and {Prefix}WEIGHT for the " +
            "model's weights.";
        return module is "lm_head" or WeightNames.Head && !weights.ContainsKey(WeightNames.Head)
            ? new NotSupportedException(
                $"{source.Path}: \"{info.Name}\" changes the head, whose weights are the embedding's in this model. " +
                supported)
            : adapter >= 0 && weights.ContainsKey(module + Weight)
            ? new NotSupportedException($"{source.Path}: \"{info.Name}\" cannot be put beside {module}. {supported}")
            : new InvalidDataException($"{source.Path}: the model has no place for \"{info.Name}\". {supported}");
    }

    /// <summary>Reads an A together with its B; for a B, only checks that its A is present.</summary>
    private static Change Adapter(string module, Linear linear, bool isA, SafetensorsFile source, AdapterConfig config)
    {
        TensorInfo a = source.Find(Prefix + module + A), b = source.Find(Prefix + module + B);
        if (!isA)
        {
            return new(() => { });
        }

        if (config.Rank == 0)
        {
            throw new InvalidDataException(
                $"{source.Path}: found the adapter \"{a.Name}\"; r is 0 in {AdapterConfig.FileName}, expected 1 or " +
                "more.");
        }

        Shape shape = linear.Weight.Value.Shape;
        string because = $"from r = {config.Rank} and the model";
        float[] valuesOfA = Read(source, a, [config.Rank, shape[1]], because);
        float[] valuesOfB = Read(source, b, [shape[0], config.Rank], because);
        return new(() =>
        {
            linear.Adapter!.A.Value.CopyFrom(valuesOfA);
            linear.Adapter.B.Value.CopyFrom(valuesOfB);
        })
        {
            Make = () => linear.Adapt(config.Rank, config.Alpha, random: null),
            Undo = linear.RemoveAdapter,
        };
    }

    private static float[] Read(SafetensorsFile source, TensorInfo info, int[] expected, string because)
    {
        source.CheckShape(info, expected, because);
        float[] values = new float[info.Count];
        source.Read(info.Name, values);
        return values;
    }

    /// <summary>Stores values in a separate array at the weight's precision, which may be too small for them.</summary>
    private static void RequireFit(SafetensorsFile source, TensorInfo info, DeviceArray weight, float[] values)
    {
        if (weight.Precision == Precision.Float32)
        {
            return;
        }

        using DeviceScope scope = weight.Device.Scope();
        try
        {
            weight.Device.Allocate(weight.Shape, weight.Precision).CopyFrom(values);
        }
        catch (ArithmeticException e)
        {
            throw new InvalidDataException(
                $"{source.Path}: \"{info.Name}\" does not fit the model's {weight.Precision} weights: {e.Message}", e);
        }
    }

    private static void Take(NamedWeight weight, float[] values)
    {
        weight.Load(values);
        weight.Parameter.IsTrainable = weight.Parameter.Value.Precision == Precision.Float32;
    }

    private static NamedWeight[] AdapterOf(string module, LowRankAdapter adapter) =>
        [new(module + A, adapter.A), new(module + B, adapter.B)];

    private static string ModuleOf(NamedWeight weight) => weight.Name[..^Weight.Length];

    private static string LastPart(string module) => module.Split('.')[^1];

    /// <summary>A change of the model by a tensor.</summary>
    /// <param name="Fill">Writes the tensor's values.</param>
    private sealed record Change(Action Fill)
    {
        /// <summary>Allocates memory for the values, if the model has none.</summary>
        public Action Make { get; init; } = () => { };

        /// <summary>Frees that memory, if it was allocated.</summary>
        public Action Undo { get; init; } = () => { };
    }
}
