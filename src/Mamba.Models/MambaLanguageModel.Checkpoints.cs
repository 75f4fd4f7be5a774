using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;
using Mamba.Models.Gguf;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";

    /// <summary>Number of floats read from a file at a time.</summary>
    private const int PieceLength = 1 << 20;

    /// <summary>The family of hybrid models that this one was loaded from, and its config.json; null: none.</summary>
    private (Family Family, ConfigJson Json)? _published;

    /// <summary>Loads a model from a local path, or from Hugging Face's hub by its name.</summary>
    /// <param name="model">
    /// A folder or a GGUF file, as <see cref="Load"/> takes; if there is none, a name as
    /// <see cref="ModelHub.DownloadAsync"/> takes: organisation/name. What the cache lacks of it is downloaded.
    /// </param>
    /// <param name="device">Device for the model.</param>
    /// <param name="precision">As for <see cref="Load"/>.</param>
    /// <param name="hub">The hub and the cache; null: as the environment says.</param>
    /// <param name="progress">Is told of the download; null: nobody.</param>
    /// <param name="cancellation">Ends the download.</param>
    /// <returns>The model.</returns>
    /// <exception cref="DirectoryNotFoundException">There is neither such a path nor could this be a name.</exception>
    /// <remarks>
    /// The other exceptions are those of <see cref="ModelHub.DownloadAsync"/> and <see cref="Load"/>.
    /// </remarks>
    /// <example>
    /// <code>
    /// using CpuDevice device = new();
    /// using MambaLanguageModel model = await MambaLanguageModel.LoadAsync("state-spaces/mamba-130m-hf", device);
    /// </code>
    /// </example>
    public static async Task<MambaLanguageModel> LoadAsync(
        string model,
        Device device,
        Precision? precision = null,
        ModelHubOptions? hub = null,
        IProgress<HubProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(device);
        string path = model;
        if (!Directory.Exists(path) && !File.Exists(path))
        {
            if (!ModelHub.IsName(model))
            {
                throw new DirectoryNotFoundException(
                    "Expected a folder, a GGUF file, or the name of a model on the hub such as org/name; found " +
                    $"\"{model}\".");
            }

            using ModelHub source = new(hub);
            path = await source.DownloadAsync(model, progress, cancellation).ConfigureAwait(false);
        }

        return await Task.Run(() => Load(path, device, precision: precision), cancellation).ConfigureAwait(false);
    }

    /// <summary>Loads a published checkpoint.</summary>
    /// <param name="folder">
    /// A folder with config.json and the weights: model.safetensors, its sharded index, consolidated.safetensors, or
    /// pytorch_model.bin. Supported are Hugging Face's mamba, mamba2 and falcon_mamba models, the hybrids bamba,
    /// falcon_h1, granitemoehybrid, jamba and nemotron_h, and the original state-spaces format. If there is a
    /// generation_config.json, its end-of-text tokens are added. Or a GGUF file of llama.cpp's mamba and mamba2 models;
    /// if it is split, the first of its files.
    /// </param>
    /// <param name="device">Device for the model.</param>
    /// <param name="ungroupedNorm">
    /// Whether the norm of a Mamba-2 model with several groups runs over all channels, as in Hugging Face's library;
    /// false: over each group, as such models were trained. Null takes the value from the file, from a key that
    /// <see cref="Save"/> writes; without the key it is false.
    /// </param>
    /// <param name="precision">
    /// Storage precision of the matrices, applied as soon as each one has been read; see <see cref="Module.Narrow"/>.
    /// Null: float32; but on a CPU, matrices of a GGUF file keep their blocks, or the precision that holds the same
    /// numbers.
    /// </param>
    /// <returns>The model.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged or truncated, a number is out of range, or a tensor is missing, unknown or of a wrong shape.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The type of the model or one of its options is not supported, or the device has no arrays of this precision.
    /// </exception>
    /// <exception cref="ArithmeticException">A weight does not fit the precision: it is too large or NaN.</exception>
    /// <remarks>
    /// A failed load leaves no memory allocated on the device. Weights are memory-mapped while they are read: if
    /// another program truncates the file meanwhile, the process terminates without an exception. Replace files by
    /// renaming, as <see cref="Save"/> does.
    /// </remarks>
    public static MambaLanguageModel Load(
        string folder, Device device, bool? ungroupedNorm = null, Precision? precision = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(device);
        if (GgufModel.IsPath(folder) && !Directory.Exists(folder))
        {
            return LoadGguf(folder, device, ungroupedNorm, precision);
        }

        ConfigJson json = ConfigJson.Load(LocalFolder.Require(folder, ConfigName));
        Family? family = Family.Of(json);
        using ITensorSource weights =
            family is null ? RenamedTensors.Of(TensorSource.Open(folder)) : TensorSource.Open(folder);
        LanguageModelConfig config = ReadConfig(json, weights, folder, ungroupedNorm);
        TensorMap? map = family?.Map(config);
        if (family is null)
        {
            WeightShapes.Require(weights, config);
        }
        else
        {
            family.RequireShapes(weights, config, map!);
        }

        MambaLanguageModel model = new(device, config, random: null);
        try
        {
            if (family is null)
            {
                model.LoadWeights(weights, precision);
            }
            else
            {
                Precision narrow = precision ?? Precision.Float32;
                new PublishedTensors(map!, model).Load(weights, model.NarrowWhen(narrow), narrow);
                model._published = (family, json);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Saves the model as config.json and model.safetensors in Hugging Face's format; a hybrid model that was loaded,
    /// in the format and with the configuration that it was loaded from. If that format cannot express the model, the
    /// original state-spaces format is used. Adapters are merged into the saved weights; the model itself keeps them
    /// separate. <see cref="Load"/> restores a model that computes the same.
    /// </summary>
    /// <param name="folder">
    /// Created if absent; files of these names are replaced. An existing generation_config.json gets the model's
    /// end-of-text tokens and keeps its other keys. For the original format it is created if the model has end-of-text
    /// tokens.
    /// </param>
    /// <param name="type">Storage type of the weights: F32, BF16 or F16.</param>
    /// <exception cref="NotSupportedException">
    /// Neither format can express the model, or <see cref="Load"/> would reject one of its numbers; the message gives
    /// the reason. Nothing is written.
    /// </exception>
    /// <exception cref="InvalidOperationException">Weights were never set. Nothing is written.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed. Nothing is written.</exception>
    public void Save(string folder, ElementType type = ElementType.F32)
    {
        ArgumentNullException.ThrowIfNull(folder);
        LanguageModelConfig config = CurrentConfig;
        if (_published is { } published)
        {
            SaveAs(published.Family, published.Json, config, folder, type);
            return;
        }

        string? missing = HuggingFaceConfigWriter.Missing(config);
        ConfigJsonWriter json = new();
        if (missing is null)
        {
            HuggingFaceConfigWriter.Write(config, type, json);
        }
        else if (OriginalConfigWriter.Missing(config) is { } other)
        {
            throw new NotSupportedException(
                $"The model cannot be saved: Hugging Face's format cannot express {missing}, " +
                $"the original format cannot express {other}.");
        }
        else
        {
            OriginalConfigWriter.Write(config, json);
        }

        using NoTensors none = new();
        json.RequireLoadable(
            ConfigName, file => ReadConfig(file, none), "The model cannot be saved, because it");
        NamedWeight[] weights = [.. WeightNames.Of(this)];
        Array.ForEach(weights, weight => weight.RequireSet());
        Directory.CreateDirectory(folder);
        SafetensorsWriter writer = new();
        foreach (NamedWeight weight in weights)
        {
            writer.Add(weight.Name, type, Array.ConvertAll(weight.Shape, size => (long)size), weight.Read);
        }

        writer.Save(Path.Combine(folder, WeightsName));
        GenerationConfig.Save(folder, config.EndOfText, isInConfig: missing is null);
        json.Save(Path.Combine(folder, ConfigName));
    }

    /// <summary>Whether a published format can express the model, so that it can be saved.</summary>
    internal bool HasPublishedFormat => _published is not null ||
        HuggingFaceConfigWriter.Missing(CurrentConfig) is null || OriginalConfigWriter.Missing(CurrentConfig) is null;

    /// <summary>
    /// The current configuration. It differs from <see cref="Config"/> if initial states became learned later.
    /// </summary>
    private LanguageModelConfig CurrentConfig =>
        Config with { Layers = [.. _blocks.Select((_, i) => OptionsOf(i))] };

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

    /// <summary>The tensors of the published format that a hybrid model was loaded from; null: none.</summary>
    internal PublishedTensors? Published =>
        _published is { } published ? new(published.Family.Map(Config), this) : null;

    private void SaveAs(Family family, ConfigJson json, LanguageModelConfig config, string folder, ElementType type)
    {
        if (Modules.Any(named => named.Module is RecurrentMixer { InitialState: not null }))
        {
            throw new NotSupportedException(
                $"The model cannot be saved: checkpoints of {family.ModelType} have no learned initial states.");
        }

        PublishedTensors tensors = Published!;
        tensors.RequireSet();
        Directory.CreateDirectory(folder);
        SafetensorsWriter writer = new();
        foreach ((string name, int[] shape) in tensors.All)
        {
            writer.Add(
                name,
                family.Float32(name) ? ElementType.F32 : type,
                Array.ConvertAll(shape, size => (long)size),
                (start, target) => tensors.Read(name, start, target));
        }

        writer.Save(Path.Combine(folder, WeightsName));
        GenerationConfig.Save(folder, config.EndOfText, isInConfig: true);
        Family.Write(json, type, config).Save(Path.Combine(folder, ConfigName));
    }

    private static LanguageModelConfig ReadConfig(ConfigJson json, ITensorSource weights) =>
        Family.Of(json) is { } family ? family.Read(json, weights)
        : json.Has("model_type") ? HuggingFaceConfig.Read(json, weights)
        : OriginalConfig.Read(json);

    private static LanguageModelConfig ReadConfig(
        ConfigJson json, ITensorSource weights, string folder, bool? ungroupedNorm)
    {
        LanguageModelConfig config = ReadConfig(json, weights);
        config = config with { EndOfText = GenerationConfig.ReadEndOfText(json, folder, config.VocabularySize) };
        if (ungroupedNorm is { } ungrouped && Family.Of(json) is { } family)
        {
            throw new NotSupportedException(
                $"{json.Source}: the norm of {family.ModelType} models is known; expected ungroupedNorm null; found " +
                $"{ungrouped}.");
        }

        config = WithNorm(config, ungroupedNorm);
        try
        {
            config.Validate();
            return config;
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{json.Source}: {exception.Message}", exception);
        }
    }

    private static LanguageModelConfig WithNorm(LanguageModelConfig config, bool? ungroupedNorm)
    {
        MixerOptions With(MixerOptions layer) => layer is Mamba2MixerOptions mamba2
            ? mamba2 with { UngroupedNorm = ungroupedNorm ?? mamba2.UngroupedNorm }
            : layer;
        return ungroupedNorm is null ? config : config with { Layers = [.. config.Layers.Select(With)] };
    }

    private void LoadWeights(ITensorSource source, Precision? precision)
    {
        NamedWeight[] weights = [.. WeightNames.Of(this)];
        float[] piece = new float[Math.Min(PieceLength, weights.Max(weight => weight.Parameter.Value.Shape.Count))];
        HashSet<Parameter> narrow = NarrowWhen(precision);
        foreach (NamedWeight weight in weights)
        {
            bool isNarrow = narrow.Contains(weight.Parameter);
            if (isNarrow && source is GgufTensors gguf && gguf.TryLoadRows(weight, precision))
            {
                continue;
            }

            ReadWeight(source, weight, piece);
            if (isNarrow && precision is { } other)
            {
                NamedWeight.Narrow(source, weight.Name, weight.Parameter, other);
            }
        }
    }

    /// <summary>The parameters that are stored narrow.</summary>
    private HashSet<Parameter> NarrowWhen(Precision? precision) =>
        precision == Precision.Float32 ? [] : [.. NarrowParameters];

    /// <summary>
    /// Loads a weight. If its layout is the same in the file, reads in pieces, to avoid a second copy of a large
    /// matrix.
    /// </summary>
    private static void ReadWeight(ITensorSource source, NamedWeight weight, float[] piece)
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
