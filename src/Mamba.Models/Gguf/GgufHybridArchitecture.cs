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
        TensorMap map = new();
        map.Add("token_embd.weight", "embedding.weight", config.PaddedVocabularySize, config.ModelDim);
        for (int i = 0; i < config.Layers.Count; i++)
        {
            string tensors = $"blk.{(hasTwoBranches ? i / 2 : i)}.", norm = $"blocks.{i}.norm.weight";
            bool isSecond = hasTwoBranches && i % 2 == 1;
            map.Add(isSecond ? FeedForwardNorm(file, tensors) : $"{tensors}attn_norm.weight", norm, config.ModelDim);
            GgufLayers.Add(map, tensors, $"blocks.{i}.mixer.", config.Layers[i]);
        }

        map.Add("output_norm.weight", "final_norm.weight", config.ModelDim);
        if (!config.TieEmbeddings)
        {
            map.Add("output.weight", "head.weight", config.PaddedVocabularySize, config.ModelDim);
        }

        foreach (TensorPart part in map.Parts)
        {
            file.RequireShape(part.Tensor, part.Shape);
        }

        file.RequireNoOthers(map.Parts.Select(part => part.Tensor).ToHashSet());
        return map;
    }

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

    /// <summary>Some files lack the last part of the name.</summary>
    private static string FeedForwardNorm(GgufFile file, string tensors) =>
        file.Tensors.ContainsKey($"{tensors}ffn_norm") ? $"{tensors}ffn_norm" : $"{tensors}ffn_norm.weight";
}
