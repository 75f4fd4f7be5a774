using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// What fine-tuning has changed of a model, in a folder of its own: adapters under the names that the PEFT library gives
/// them, and whatever else is trainable under its name in a checkpoint, after the same prefix.
/// </summary>
internal static class AdapterFiles
{
    private const string WeightsName = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";
    private const string Weight = ".weight", A = ".lora_A.weight", B = ".lora_B.weight";

    public static void Save(MambaLanguageModel model, string folder)
    {
        NamedWeight[] weights = [.. WeightNames.Of(model, WeightNames.HuggingFaceEmbedding)];
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

        SafetensorsWriter writer = new();
        foreach (NamedWeight weight in saved)
        {
            writer.Add(
                Prefix + weight.Name, ElementType.F32, Array.ConvertAll(weight.Shape, size => (long)size), weight.Read);
        }

        ConfigJsonWriter json = new();
        config.Write(
            json,
            [.. adapted.Select(weight => ModuleOf(weight).Split('.')[^1]).Distinct().Order(StringComparer.Ordinal)]);
        Directory.CreateDirectory(folder);
        writer.Save(Path.Combine(folder, WeightsName));
        json.Save(Path.Combine(folder, AdapterConfig.FileName));
    }

    public static void Load(MambaLanguageModel model, string folder)
    {
        LowRank.RequireNoAdapters(model);
        AdapterConfig config = AdapterConfig.Read(ConfigJson.Load(Path.Combine(folder, AdapterConfig.FileName)));
        using SafetensorsFile source = SafetensorsFile.Open(Path.Combine(folder, WeightsName));
        Dictionary<string, NamedWeight> weights =
            WeightNames.Of(model, WeightNames.HuggingFaceEmbedding).ToDictionary(weight => weight.Name);

        // Everything is read and checked before anything is changed.
        List<Action> changes = [];
        foreach (TensorInfo info in source.Tensors.Values)
        {
            changes.Add(ChangeBy(info, source, config, model, weights));
        }

        if (changes.Count == 0)
        {
            throw new InvalidDataException($"{source.Path}: expected adapters; found no tensors.");
        }

        LowRank.SetTrainable(model, false);
        changes.ForEach(change => change());
    }

    /// <summary>Reads and checks what a tensor is to change.</summary>
    private static Action ChangeBy(
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
            return () => Take(weight, values);
        }

        foreach ((string state, RecurrentMixer mixer, WeightLayout layout) in WeightNames.InitialStates(model))
        {
            if (state == name)
            {
                float[] values = Read(source, info, NamedWeight.ShapeOf(mixer.HiddenShape, layout), "from the model");
                return () => Take(new(name, mixer.LearnInitialState(), layout), values);
            }
        }

        throw new InvalidDataException(
            $"{source.Path}: expected {Prefix}, a name of the model's weights, and for projections{A} or{B}; " +
            $"found \"{info.Name}\".");
    }

    /// <summary>An adapter comes with its A; of a B it is only checked that there is one.</summary>
    private static Action Adapter(string module, Linear linear, bool isA, SafetensorsFile source, AdapterConfig config)
    {
        TensorInfo a = source.Find(Prefix + module + A), b = source.Find(Prefix + module + B);
        if (!isA)
        {
            return () => { };
        }

        Shape shape = linear.Weight.Value.Shape;
        string because = $"from r = {config.Rank} and the model";
        float[] valuesOfA = Read(source, a, [config.Rank, shape[1]], because);
        float[] valuesOfB = Read(source, b, [shape[0], config.Rank], because);
        return () =>
        {
            LowRankAdapter adapter = linear.Adapt(config.Rank, config.Alpha, random: null);
            adapter.A.Value.CopyFrom(valuesOfA);
            adapter.B.Value.CopyFrom(valuesOfB);
        };
    }

    private static float[] Read(SafetensorsFile source, TensorInfo info, int[] expected, string because)
    {
        source.CheckShape(info, expected, because);
        float[] values = new float[info.Count];
        source.Read(info.Name, values);
        return values;
    }

    private static void Take(NamedWeight weight, float[] values)
    {
        weight.Load(values);
        weight.Parameter.IsTrainable = weight.Parameter.Value.Precision == Precision.Float32;
    }

    private static NamedWeight[] AdapterOf(string module, LowRankAdapter adapter) =>
        [new(module + A, adapter.A), new(module + B, adapter.B)];

    private static string ModuleOf(NamedWeight weight) => weight.Name[..^Weight.Length];
}
