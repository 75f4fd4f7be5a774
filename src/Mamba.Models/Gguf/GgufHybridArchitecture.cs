using Mamba.Layers;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>A family of models with layers of several kinds. The names of tensors are those of all families.</summary>
/// <param name="name">Value of <c>general.architecture</c>.</param>
/// <param name="hasTwoBranches">
/// Whether a layer of the file is a mixer and a channel mixer, two layers here; otherwise it is one of both.
/// </param>
internal abstract class GgufHybridArchitecture(string name, bool hasTwoBranches) : GgufArchitecture(name)
{
    /// <summary>Lists the tensors of a model, and compares them with those of the file.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, unknown, or of another shape.</exception>
    public TensorMap Map(GgufFile file, LanguageModelConfig config)
    {
        // Some files lack, or have, the last part of this name.
        string norm = file.Tensors.ContainsKey("blk.0.ffn_norm") ? "ffn_norm" : "ffn_norm.weight";
        TensorMap map = Map(config, norm);
        foreach (TensorPart part in map.Parts)
        {
            file.RequireShape(part.Tensor, part.Shape);
        }

        file.RequireNoOthers(map.Parts.Select(part => part.Tensor).ToHashSet());
        return map;
    }

    /// <summary>Lists the tensors that a model is written as.</summary>
    public TensorMap Map(LanguageModelConfig config) => Map(config, FeedForwardNorm);

    /// <inheritdoc/>
    public override int BlockCount(LanguageModelConfig config) => config.Layers.Count / (hasTwoBranches ? 2 : 1);

    /// <summary>Whether a model has the kinds of layers of this family, in its order.</summary>
    public bool HasKinds(LanguageModelConfig config) => config.Layers.Count % (hasTwoBranches ? 2 : 1) == 0
        && config.Layers.SelectMany(Branches).Any(layer => layer is MambaMixerOptions or Mamba2MixerOptions)
        && config.Layers.Select((layer, i) => HasKind(layer, hasTwoBranches && i % 2 == 1)).All(has => has);

    /// <summary>Writes the keys of a model that has the kinds of this family.</summary>
    public void WriteAllKeys(LanguageModelConfig config, GgufWriter writer)
    {
        GgufModel.WriteCommonKeys(config, this, writer);
        WriteKeys(config, writer);
    }

    /// <summary>Writes the keys that other families lack.</summary>
    private protected abstract void WriteKeys(LanguageModelConfig config, GgufWriter writer);

    /// <summary>The mixers of a layer: those side by side, or itself.</summary>
    public static IEnumerable<MixerOptions> Branches(MixerOptions layer) =>
        layer is ParallelMixerOptions parallel ? parallel.Branches.Select(branch => branch.Mixer) : [layer];

    /// <summary>The name of the norm before a channel mixer, without the layer's prefix.</summary>
    private protected virtual string FeedForwardNorm => "ffn_norm.weight";

    /// <summary>Whether a layer is of a kind of this family.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="isChannels">Whether it must be a channel mixer.</param>
    private protected abstract bool HasKind(MixerOptions layer, bool isChannels);

    private TensorMap Map(LanguageModelConfig config, string feedForwardNorm)
    {
        TensorMap map = new();
        map.Add("token_embd.weight", "embedding.weight", config.PaddedVocabularySize, config.ModelDim);
        for (int i = 0; i < config.Layers.Count; i++)
        {
            string tensors = $"blk.{(hasTwoBranches ? i / 2 : i)}.", norm = $"blocks.{i}.norm.weight";
            bool isSecond = hasTwoBranches && i % 2 == 1;
            map.Add($"{tensors}{(isSecond ? feedForwardNorm : "attn_norm.weight")}", norm, config.ModelDim);
            GgufLayers.Add(map, tensors, $"blocks.{i}.mixer.", config.Layers[i]);
        }

        map.Add("output_norm.weight", "final_norm.weight", config.ModelDim);
        if (!config.TieEmbeddings)
        {
            map.Add("output.weight", "head.weight", config.PaddedVocabularySize, config.ModelDim);
        }

        return map;
    }

    /// <summary>Writes the keys of the attention layers: a number of key heads for each layer of the file.</summary>
    private protected void WriteAttention(LanguageModelConfig config, GgufWriter writer, bool isList = true)
    {
        AttentionMixerOptions?[] all = [.. Blocks(config).Select(
            block => Branches(block).OfType<AttentionMixerOptions>().FirstOrDefault())];
        AttentionMixerOptions? first = all.FirstOrDefault(attention => attention is not null);
        writer.AddUInt32($"{Name}.attention.head_count", first?.Heads ?? 0);
        if (isList)
        {
            writer.Add(
                $"{Name}.attention.head_count_kv", [.. all.Select(attention => attention?.KeyValueHeads ?? 0)]);
        }
        else
        {
            writer.AddUInt32($"{Name}.attention.head_count_kv", first?.KeyValueHeads ?? 0);
        }

        if (first is not null)
        {
            writer.AddUInt32($"{Name}.attention.key_length", first.HeadDim);
            writer.AddUInt32($"{Name}.attention.value_length", first.HeadDim);
        }

        if (first is { RotaryDim: > 0 })
        {
            writer.AddUInt32($"{Name}.rope.dimension_count", first.RotaryDim);
            writer.Add($"{Name}.rope.freq_base", (float)first.RotaryBase);
        }
    }

    /// <summary>Writes the keys of the Mamba-2 layers.</summary>
    private protected void WriteMamba2(LanguageModelConfig config, GgufWriter writer)
    {
        if (Blocks(config).SelectMany(Branches).OfType<Mamba2MixerOptions>().FirstOrDefault() is { } mamba2)
        {
            GgufMamba2.Write(mamba2, writer, $"{Name}.");
        }
    }

    /// <summary>Writes the keys of gated MLPs, alone or as experts.</summary>
    private protected void WriteChannels(LanguageModelConfig config, GgufWriter writer)
    {
        MixtureOfExpertsOptions? mixture = config.Layers.OfType<MixtureOfExpertsOptions>().FirstOrDefault();
        GatedMlpOptions? mlp = (GatedMlpOptions?)mixture?.Expert
            ?? config.Layers.OfType<GatedMlpOptions>().FirstOrDefault();
        writer.AddUInt32($"{Name}.feed_forward_length", mlp?.HiddenDim ?? 0);
        if (mixture is not null)
        {
            writer.AddUInt32($"{Name}.expert_count", mixture.Experts);
            writer.AddUInt32($"{Name}.expert_used_count", mixture.ExpertsPerToken);
        }
    }

    /// <summary>The first layer here of each layer of the file.</summary>
    private protected IEnumerable<MixerOptions> Blocks(LanguageModelConfig config) =>
        config.Layers.Where((_, i) => !hasTwoBranches || i % 2 == 0);

    /// <summary>Whether a layer is a gated MLP, or a mixture of them.</summary>
    private protected static bool IsGated(MixerOptions layer) => layer is GatedMlpOptions
        or MixtureOfExpertsOptions { Expert: GatedMlpOptions, Shared: null or GatedMlpOptions };

    /// <summary>Reads the options of a Mamba-2 layer.</summary>
    private protected Mamba2MixerOptions ReadMamba2(GgufFile file, int modelDim, float epsilon) =>
        GgufMamba2.Read(file, Name, modelDim, epsilon);

    /// <summary>Reads the options of an attention layer, without rotary positions.</summary>
    /// <param name="file">The file.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="layer">The layer of the file.</param>
    /// <param name="layers">Number of layers.</param>
    private protected AttentionMixerOptions ReadAttention(GgufFile file, int modelDim, int layer, int layers)
    {
        int heads = PerLayer(file, "attention.head_count", layers)[layer];
        int keyHeads = PerLayer(file, "attention.head_count_kv", layers)[layer];
        if (heads == 0 || keyHeads == 0 || heads % keyHeads != 0)
        {
            throw file.Keys.Refuse($"{Name}.attention.head_count_kv", $"a divisor of {heads} heads", $"{keyHeads}");
        }

        int headDim = file.Keys.Integer($"{Name}.attention.key_length", ConfigRanges.Size, absent: null)
            ?? (modelDim % heads == 0
                ? modelDim / heads
                : throw file.Keys.Refuse($"{Name}.attention.key_length", "the width of a head", "no such key"));
        return new()
        {
            ModelDim = modelDim,
            Heads = heads,
            KeyValueHeads = keyHeads,
            HeadDim = headDim,
            Bias = file.Tensors.ContainsKey($"blk.{layer}.attn_q.bias"),
        };
    }

    /// <summary>The same with rotary positions.</summary>
    private protected AttentionMixerOptions WithRotary(AttentionMixerOptions attention, GgufFile file, bool interleaved)
    {
        int dim = file.Keys.Integer($"{Name}.rope.dimension_count", ConfigRanges.Size, absent: null)
            ?? attention.HeadDim;
        return attention with
        {
            RotaryDim = dim,
            RotaryBase = file.Keys.Has($"{Name}.rope.freq_base")
                ? file.Keys.Number($"{Name}.rope.freq_base", ConfigRanges.RotaryBase)
                : 10000,
            RotaryInterleaved = interleaved,
        };
    }

    /// <summary>A key with an integer for each layer, or one for all.</summary>
    private protected int[] PerLayer(GgufFile file, string key, int layers)
    {
        string name = $"{Name}.{key}";
        if (!file.Keys.IsList(name))
        {
            return [.. Enumerable.Repeat(file.Keys.Integer(name, ConfigRanges.SizeOrNone), layers)];
        }

        long[] integers = file.Keys.IntegerList(name)!;
        (int least, int most) = ConfigRanges.SizeOrNone;
        return integers.Length == layers && integers.All(integer => integer >= least && integer <= most)
            ? Array.ConvertAll(integers, integer => (int)integer)
            : throw file.Keys.Refuse(
                name, $"{layers} integers from {least} to {most}, one for each layer", file.Keys.Describe(name));
    }

    /// <summary>A factor; 1 if the key is absent.</summary>
    private protected float Factor(GgufFile file, string key) => file.Keys.Has($"{Name}.{key}")
        ? (float)file.Keys.Number($"{Name}.{key}", ConfigRanges.Finite)
        : 1f;
}
