using System.Globalization;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>config.json as Hugging Face's mamba, mamba2 and falcon_mamba models have it.</summary>
internal static class HuggingFaceConfig
{
    /// <summary>Reads a configuration; what a file leaves out is looked for in the weights, or has the class's default.</summary>
    /// <exception cref="NotSupportedException">The kind of model, or an option of it, is not supported.</exception>
    public static LanguageModelConfig Read(ConfigJson json, ITensorSource weights, bool ungroupedNorm)
    {
        string type = json.Text("model_type");
        MixerOptions mixer = type switch
        {
            "mamba" => Mamba1(json, weights, null),
            "falcon_mamba" => Mamba1(json, weights, (float)json.Number("mixer_rms_eps", 1e-6)),
            "mamba2" => Mamba2(json, weights, ungroupedNorm),
            _ => throw new NotSupportedException(
                $"{json.Source}: model_type is \"{type}\"; supported are mamba, mamba2 and falcon_mamba."),
        };
        if (json.Text("hidden_act", "silu") is not ("silu" or "swish") and string activation)
        {
            throw new NotSupportedException($"{json.Source}: hidden_act is \"{activation}\"; supported is silu.");
        }

        return new()
        {
            VocabularySize = json.Integer("vocab_size"),
            Layers = [.. Enumerable.Repeat(mixer, json.Integer("num_hidden_layers"))],
            NormEpsilon = (float)json.Number("layer_norm_epsilon", 1e-5),
            TieEmbeddings = json.Flag("tie_word_embeddings", !weights.Tensors.ContainsKey(WeightNames.Head)),
            EndOfText = json.IsNumber("eos_token_id") ? json.Integer("eos_token_id") : null,
        };
    }

    /// <summary>Writes a configuration; false where the format has no words for one of its options.</summary>
    public static bool TryWrite(LanguageModelConfig config, ConfigJsonWriter json)
    {
        MixerOptions mixer = config.Layers[0];
        if (config.MlpDim > 0 || config.Layers.Any(layer => layer != mixer))
        {
            return false;
        }

        switch (mixer)
        {
            case MambaMixerOptions { LearnableInitialState: false, Gate: true } mamba:
                Write(mamba, json);
                break;
            case Mamba2MixerOptions
            {
                LearnableInitialState: false, DPerChannel: false, Norm: true, NormBeforeGate: false, Gate: true,
            } mamba2 when mamba2.SsmDim == mamba2.InnerDim && mamba2.NormEpsilon == config.NormEpsilon:
                Write(mamba2, json);
                break;
            default:
                return false;
        }

        json.Add("vocab_size", config.PaddedVocabularySize);
        json.Add("hidden_size", config.ModelDim);
        json.Add("num_hidden_layers", config.Layers.Count);
        json.Add("layer_norm_epsilon", Shortest(config.NormEpsilon));
        json.Add("tie_word_embeddings", config.TieEmbeddings);
        json.Add("hidden_act", "silu");
        json.Add("residual_in_fp32", true);
        json.Add("torch_dtype", "float32");
        if (config.EndOfText is { } end)
        {
            json.Add("eos_token_id", end);
        }

        return true;
    }

    private static MambaMixerOptions Mamba1(ConfigJson json, ITensorSource weights, float? normEpsilon)
    {
        int dim = json.Integer("hidden_size");
        return new()
        {
            ModelDim = dim,
            InnerDim = json.IsNumber("intermediate_size")
                ? json.Integer("intermediate_size")
                : json.Integer("expand", 2) * dim,
            StateDim = json.Integer("state_size", 16),
            ConvWidth = json.Integer("conv_kernel", 4),
            TimeStepRank = json.IsNumber("time_step_rank") ? json.Integer("time_step_rank") : (dim + 15) / 16,
            Bias = json.Flag("use_bias", weights.Tensors.ContainsKey("backbone.layers.0.mixer.in_proj.bias")),
            ConvBias = json.Flag("use_conv_bias", true),
            ParameterNormEpsilon = normEpsilon,
        };
    }

    private static Mamba2MixerOptions Mamba2(ConfigJson json, ITensorSource weights, bool ungroupedNorm)
    {
        int dim = json.Integer("hidden_size"), heads = json.Integer("num_heads", 128);
        int headDim = json.Integer("head_dim", 64);
        (double low, double high) = json.Range("time_step_limit", (0, double.PositiveInfinity));
        if (!json.Flag("rms_norm", true))
        {
            throw new NotSupportedException($"{json.Source}: rms_norm is false; Hugging Face's model has no such form.");
        }

        return new()
        {
            ModelDim = dim,
            InnerDim = heads * headDim,
            StateDim = json.Integer("state_size", 128),
            HeadDim = headDim,
            Groups = json.Integer("n_groups", 8),
            ConvWidth = json.Integer("conv_kernel", 4),
            Bias = json.Flag("use_bias", weights.Tensors.ContainsKey("backbone.layers.0.mixer.in_proj.bias")),
            ConvBias = json.Flag("use_conv_bias", true),
            UngroupedNorm = ungroupedNorm,
            NormEpsilon = (float)json.Number("layer_norm_epsilon", 1e-5),
            DeltaMin = (float)low,
            DeltaMax = (float)high,
        };
    }

    private static void Write(MambaMixerOptions mixer, ConfigJsonWriter json)
    {
        bool falcon = mixer.ParameterNormEpsilon is not null;
        json.Add("architectures", (string[])[falcon ? "FalconMambaForCausalLM" : "MambaForCausalLM"]);
        json.Add("model_type", falcon ? "falcon_mamba" : "mamba");
        json.Add("intermediate_size", mixer.InnerDim);
        if (mixer.InnerDim % mixer.ModelDim == 0)
        {
            json.Add("expand", mixer.InnerDim / mixer.ModelDim);
        }

        json.Add("state_size", mixer.StateDim);
        json.Add("conv_kernel", mixer.ConvWidth);
        json.Add("time_step_rank", mixer.TimeStepRank);
        json.Add("use_bias", mixer.Bias);
        json.Add("use_conv_bias", mixer.ConvBias);
        if (mixer.ParameterNormEpsilon is { } epsilon)
        {
            json.Add("mixer_rms_eps", Shortest(epsilon));
        }
    }

    private static void Write(Mamba2MixerOptions mixer, ConfigJsonWriter json)
    {
        json.Add("architectures", (string[])["Mamba2ForCausalLM"]);
        json.Add("model_type", "mamba2");
        if (mixer.InnerDim % mixer.ModelDim == 0)
        {
            json.Add("expand", mixer.InnerDim / mixer.ModelDim);
        }

        json.Add("num_heads", mixer.Heads);
        json.Add("head_dim", mixer.HeadDim);
        json.Add("state_size", mixer.StateDim);
        json.Add("n_groups", mixer.Groups);
        json.Add("conv_kernel", mixer.ConvWidth);
        json.Add("use_bias", mixer.Bias);
        json.Add("use_conv_bias", mixer.ConvBias);
        json.Add("rms_norm", true);
        json.Add("time_step_limit", (double[])[mixer.DeltaMin, mixer.DeltaMax]);
    }

    /// <summary>The double with the fewest digits that is this float: 1E-05, not 9.999999747378752E-06.</summary>
    private static double Shortest(float value) =>
        double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
