using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Checkpoints;

/// <summary>Reads config.json of Hugging Face's mamba, mamba2 and falcon_mamba models.</summary>
internal static class HuggingFaceConfig
{
    /// <summary>A key of this library: the number of tokens; <c>vocab_size</c> counts the embedding's rows.</summary>
    public const string UnpaddedVocabulary = "unpadded_vocab_size";

    /// <summary>A key of the original format, read only together with <see cref="UnpaddedVocabulary"/>.</summary>
    public const string VocabularyMultiple = "pad_vocab_size_multiple";

    /// <summary>A key of this library: the norm runs over all channels, as in Hugging Face's class.</summary>
    public const string UngroupedNorm = "ungrouped_norm";

    /// <summary>
    /// Reads a configuration. Absent values are derived from the weights, or have the default of the class.
    /// </summary>
    /// <exception cref="InvalidDataException">A value is missing, of another type, or out of its range.</exception>
    /// <exception cref="NotSupportedException">The kind of model, or an option, is not supported.</exception>
    public static LanguageModelConfig Read(ConfigJson json, ITensorSource weights)
    {
        string type = json.Text("model_type");
        MixerOptions mixer = type switch
        {
            "mamba" => Mamba1(json, weights, null),
            "falcon_mamba" => Mamba1(json, weights, (float)json.Number("mixer_rms_eps", ConfigRanges.Epsilon, 1e-6)),
            "mamba2" => Mamba2(json, weights),
            _ => throw new NotSupportedException(
                $"{json.Source}: model_type is \"{type}\"; supported are mamba, mamba2, falcon_mamba, " +
                $"{string.Join(", ", Family.Types)}."),
        };
        if (json.Text("hidden_act", "silu") is not ("silu" or "swish") and string activation)
        {
            throw new NotSupportedException($"{json.Source}: hidden_act is \"{activation}\"; supported is silu.");
        }

        (int vocabulary, int multiple) = Vocabulary(json);
        return new()
        {
            VocabularySize = vocabulary,
            VocabularyMultiple = multiple,
            Layers = [.. Enumerable.Repeat(mixer, json.Integer("num_hidden_layers", ConfigRanges.Layers))],
            NormEpsilon = (float)json.Number("layer_norm_epsilon", ConfigRanges.Epsilon, 1e-5),
            TieEmbeddings = json.Flag("tie_word_embeddings", !weights.Tensors.ContainsKey(WeightNames.Head)),
        };
    }

    private static (int Size, int Multiple) Vocabulary(ConfigJson json)
    {
        int rows = json.Integer("vocab_size", ConfigRanges.Vocabulary);
        if (!json.Has(UnpaddedVocabulary))
        {
            return (rows, 1);
        }

        int size = json.Integer(UnpaddedVocabulary, ConfigRanges.Vocabulary);
        int multiple = json.Integer(VocabularyMultiple, ConfigRanges.Size);
        return (size + multiple - 1) / multiple * multiple == rows
            ? (size, multiple)
            : throw new InvalidDataException(
                $"{json.Source}: {UnpaddedVocabulary} is {size}, to be rounded up to a multiple of {multiple}; " +
                $"vocab_size is {rows}. If the embedding was resized, remove {UnpaddedVocabulary}.");
    }

    private static MambaMixerOptions Mamba1(ConfigJson json, ITensorSource weights, float? normEpsilon)
    {
        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        return new()
        {
            ModelDim = dim,

            // Falcon-Mamba has expand = 16 although its inner width is twice the model's: the width takes precedence.
            InnerDim = json.Has("intermediate_size")
                ? json.Integer("intermediate_size", ConfigRanges.Size)
                : Expansion.InnerDim(json, dim),
            StateDim = json.Integer("state_size", ConfigRanges.Size, 16),
            ConvWidth = json.Integer("conv_kernel", ConfigRanges.Size, 4),
            TimeStepRank = json.Integer("time_step_rank", ConfigRanges.Size, "auto", (dim + 15) / 16),
            Bias = HasBias(json, weights),
            ConvBias = json.Flag("use_conv_bias", true),
            ParameterNormEpsilon = normEpsilon,
        };
    }

    private static Mamba2MixerOptions Mamba2(ConfigJson json, ITensorSource weights)
    {
        int heads = json.Integer("num_heads", ConfigRanges.Size, 128);
        int headDim = json.Integer("head_dim", ConfigRanges.Size, 64);
        int states = json.Integer("state_size", ConfigRanges.Size, 128);
        int groups = json.Integer("n_groups", ConfigRanges.Size, 8);
        json.Derived("n_groups times state_size", (double)groups * states);
        (double low, double high) = json.Limits("time_step_limit", (0, double.PositiveInfinity));
        if (!json.Flag("rms_norm", true))
        {
            throw new NotSupportedException(
                $"{json.Source}: rms_norm is false; Hugging Face's model has no such form.");
        }

        return new()
        {
            ModelDim = json.Integer("hidden_size", ConfigRanges.Size),
            InnerDim = json.Derived("num_heads times head_dim", (double)heads * headDim),
            StateDim = states,
            HeadDim = headDim,
            Groups = groups,
            ConvWidth = json.Integer("conv_kernel", ConfigRanges.Size, 4),
            Bias = HasBias(json, weights),
            ConvBias = json.Flag("use_conv_bias", true),
            UngroupedNorm = json.Flag(UngroupedNorm, false),
            NormEpsilon = (float)json.Number("layer_norm_epsilon", ConfigRanges.Epsilon, 1e-5),
            DeltaMin = (float)low,
            DeltaMax = (float)high,
        };
    }

    private static bool HasBias(ConfigJson json, ITensorSource weights) =>
        json.Flag("use_bias", weights.Tensors.ContainsKey("backbone.layers.0.mixer.in_proj.bias"));
}
