using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";

    /// <summary>Floats that are read from a file at once.</summary>
    private const int PieceLength = 1 << 20;

    /// <summary>Loads a published checkpoint.</summary>
    /// <param name="folder">
    /// A folder with config.json and the weights: model.safetensors, its sharded index, or pytorch_model.bin; of Hugging
    /// Face's mamba, mamba2 and falcon_mamba models, or in the original state-spaces format.
    /// </param>
    /// <param name="device">Where the model will live.</param>
    /// <param name="ungroupedNorm">
    /// Whether a Hugging Face Mamba-2 of several groups normalises over all channels, as that library does, instead of over
    /// each group, as the model was trained.
    /// </param>
    /// <param name="precision">
    /// How the matrices are stored, each from the moment when it has been read; see <see cref="Module.Narrow"/>.
    /// </param>
    /// <returns>The model.</returns>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or a tensor is missing, unknown or of a wrong shape.</exception>
    /// <exception cref="NotSupportedException">The model is of a kind, or has an option, that is not supported.</exception>
    public static MambaLanguageModel Load(
        string folder, Device device, bool ungroupedNorm = false, Precision precision = Precision.Float32)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(device);
        ConfigJson json = ConfigJson.Load(Path.Combine(folder, ConfigName));
        using ITensorSource weights = TensorSource.Open(folder);
        LanguageModelConfig config = json.Has("model_type")
            ? HuggingFaceConfig.Read(json, weights, ungroupedNorm)
            : OriginalConfig.Read(json);
        try
        {
            config.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{json.Source}: {exception.Message}", exception);
        }

        MambaLanguageModel model = new(device, config, random: null);
        try
        {
            model.LoadWeights(weights, precision);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Saves the model as config.json and model.safetensors under the names of Hugging Face; an option that their
    /// configuration has no words for is written as the original state-spaces format has it. Adapters are added to the
    /// weights as these are written; the model itself keeps them apart.
    /// </summary>
    /// <param name="folder">Is made if there is none; files of these names are replaced.</param>
    /// <param name="type">How weights are stored: F32, BF16 or F16.</param>
    /// <exception cref="NotSupportedException">Neither format has words for an option.</exception>
    public void Save(string folder, ElementType type = ElementType.F32)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ConfigJsonWriter json = WriteConfig();
        Directory.CreateDirectory(folder);
        SafetensorsWriter writer = new();
        foreach (NamedWeight weight in WeightNames.Of(this, WeightNames.HuggingFaceEmbedding))
        {
            writer.Add(weight.Name, type, Array.ConvertAll(weight.Shape, size => (long)size), weight.Read);
        }

        writer.Save(Path.Combine(folder, WeightsName));
        json.Save(Path.Combine(folder, ConfigName));
    }

    /// <summary>Whether a published format has words for the model, so that it can be saved.</summary>
    internal bool HasPublishedFormat
    {
        get
        {
            try
            {
                return WriteConfig() is not null;
            }
            catch (NotSupportedException)
            {
                return false;
            }
        }
    }

    private ConfigJsonWriter WriteConfig()
    {
        ConfigJsonWriter json = new();
        LanguageModelConfig config = Config with { Layers = [.. _blocks.Select((_, i) => OptionsOf(i))] };
        if (!HuggingFaceConfig.TryWrite(config, json))
        {
            json = new();
            OriginalConfig.Write(config, json);
        }

        return json;
    }

    /// <summary>The options of a layer as it is: its initial state may have been learned since it was made.</summary>
    private MixerOptions OptionsOf(int layer)
    {
        bool learned = _blocks[layer].Mixer is RecurrentMixer { InitialState: not null };
        return Config.Layers[layer] switch
        {
            MambaMixerOptions mamba => mamba with { LearnableInitialState = learned },
            Mamba2MixerOptions mamba2 => mamba2 with { LearnableInitialState = learned },
            MixerOptions options => options,
        };
    }

    private void LoadWeights(ITensorSource source, Precision precision)
    {
        string embedding = source.Tensors.ContainsKey(WeightNames.OriginalEmbedding)
            ? WeightNames.OriginalEmbedding
            : WeightNames.HuggingFaceEmbedding;
        HashSet<string> known = Head is null ? [WeightNames.Head] : [];
        foreach (NamedWeight weight in WeightNames.Of(this, embedding))
        {
            known.Add(weight.Name);
            RequireShape(source, weight);
        }

        if (source.Tensors.Keys.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
        {
            throw new InvalidDataException($"{source.Path}: a {Config.Layers[0].GetType().Name} model has no \"{unknown}\".");
        }

        float[] piece = new float[PieceLength];
        HashSet<Parameter> narrow = precision == Precision.Float32 ? [] : [.. NarrowParameters];
        foreach (NamedWeight weight in WeightNames.Of(this, embedding))
        {
            Load(source, weight, piece);
            if (narrow.Contains(weight.Parameter))
            {
                weight.Parameter.Narrow(precision);
            }
        }
    }

    private static void RequireShape(ITensorSource source, NamedWeight weight)
    {
        if (!source.Tensors.TryGetValue(weight.Name, out TensorInfo? info))
        {
            throw new InvalidDataException($"{source.Path}: the tensor \"{weight.Name}\" is missing.");
        }

        source.CheckShape(info, weight.Shape, "from the configuration");
    }

    /// <summary>Reads in pieces what is laid out as here, so that no second copy of a large matrix is made.</summary>
    private static void Load(ITensorSource source, NamedWeight weight, float[] piece)
    {
        DeviceArray array = weight.Parameter.Value;
        if (weight.Layout != WeightLayout.Same)
        {
            float[] values = new float[array.Shape.Count];
            source.Read(weight.Name, values);
            weight.Load(values);
            return;
        }

        for (long start = 0; start < array.Shape.Count; start += piece.Length)
        {
            Span<float> part = piece.AsSpan(0, (int)Math.Min(piece.Length, array.Shape.Count - start));
            source.ReadRange(weight.Name, start, part);
            array.WriteElements((nint)start, part);
        }
    }
}
