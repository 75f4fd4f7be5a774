using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>config.json as the original state-spaces models have it.</summary>
internal static class OriginalConfig
{
    /// <summary>Options of the original modules that concern speed or the start of training only.</summary>
    private static readonly string[] WithoutMeaningHere =
    [
        "layer", "use_fast_path", "use_mem_eff_path", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor",
        "A_init_range", "chunk_size", "conv_init",
    ];

    /// <summary>Reads a configuration; what a file leaves out has the original classes' default.</summary>
    /// <exception cref="NotSupportedException">An option is not supported.</exception>
    public static LanguageModelConfig Read(ConfigJson json)
    {
        if (!json.Flag("rms_norm", true))
        {
            throw new NotSupportedException($"{json.Source}: rms_norm is false; models with layer norms are not supported.");
        }

        int dim = json.Integer("d_model"), layers = json.Integer("n_layer");
        MixerOptions mixer = Mixer(json.Object("ssm_cfg"), dim), attention = mixer;
        int[] attentionLayers = json.Integers("attn_layer_idx", []);
        if (attentionLayers.Length > 0)
        {
            attention = Attention(json.Object("attn_cfg"), dim);
        }

        if (attentionLayers.Any(index => index < 0 || index >= layers))
        {
            throw new InvalidDataException(
                $"{json.Source}: attn_layer_idx is [{string.Join(", ", attentionLayers)}] in a model of {layers} layers.");
        }

        // The original MLP rounds its width up to a multiple of 128.
        int mlp = json.Integer("d_intermediate", 0);
        return new()
        {
            VocabularySize = json.Integer("vocab_size"),
            VocabularyMultiple = json.Integer("pad_vocab_size_multiple", 8),
            Layers = [.. Enumerable.Range(0, layers).Select(i => attentionLayers.Contains(i) ? attention : mixer)],
            MlpDim = (mlp + 127) / 128 * 128,
            TieEmbeddings = json.Flag("tie_embeddings", true),
        };
    }

    /// <summary>Writes a configuration.</summary>
    /// <exception cref="NotSupportedException">The format has no words for one of its options.</exception>
    public static void Write(LanguageModelConfig config, ConfigJsonWriter json)
    {
        MixerOptions[] mixers = [.. config.Layers.Where(layer => layer is not AttentionMixerOptions).Distinct()];
        AttentionMixerOptions[] attention = [.. config.Layers.OfType<AttentionMixerOptions>().Distinct()];
        if (mixers.Length != 1 || attention.Length > 1 || config.NormEpsilon != 1e-5f || config.MlpDim % 128 != 0)
        {
            throw new NotSupportedException(
                "Neither Hugging Face's nor the original format has words for this model: they know one kind of Mamba " +
                "layer and one of attention, a norm ε of 1e-5, and MLPs of a multiple of 128.");
        }

        json.Add("d_model", config.ModelDim);
        json.Add("d_intermediate", config.MlpDim);
        json.Add("n_layer", config.Layers.Count);
        json.Add("vocab_size", config.VocabularySize);
        json.Add("pad_vocab_size_multiple", config.VocabularyMultiple);
        json.Add("ssm_cfg", section => Write(mixers[0], section));
        json.Add(
            "attn_layer_idx",
            (int[])
                [.. Enumerable.Range(0, config.Layers.Count).Where(i => config.Layers[i] is AttentionMixerOptions)]);
        json.Add("attn_cfg", section => Array.ForEach(attention, options => Write(options, section)));
        json.Add("rms_norm", true);
        json.Add("residual_in_fp32", true);
        json.Add("fused_add_norm", true);
        json.Add("tie_embeddings", config.TieEmbeddings);
    }

    private static MixerOptions Mixer(ConfigJson json, int dim)
    {
        int inner = json.Integer("expand", 2) * dim;
        string layer = json.Text("layer", "Mamba1");
        switch (layer)
        {
            case "Mamba1":
                json.RequireOnly(
                    [.. WithoutMeaningHere, "d_state", "d_conv", "expand", "dt_rank", "bias", "conv_bias", "learnable_init_states"]);
                return new MambaMixerOptions
                {
                    ModelDim = dim,
                    InnerDim = inner,
                    StateDim = json.Integer("d_state", 16),
                    ConvWidth = json.Integer("d_conv", 4),
                    TimeStepRank = json.IsNumber("dt_rank") ? json.Integer("dt_rank") : (dim + 15) / 16,
                    Bias = json.Flag("bias", false),
                    ConvBias = json.Flag("conv_bias", true),
                    LearnableInitialState = json.Flag("learnable_init_states", false),
                };
            case "Mamba2":
                json.RequireOnly(
                [
                    .. WithoutMeaningHere, "d_state", "d_conv", "expand", "headdim", "d_ssm", "ngroups", "D_has_hdim",
                    "rmsnorm", "norm_before_gate", "dt_limit", "bias", "conv_bias", "learnable_init_states", "activation",
                ]);
                (double low, double high) = json.Range("dt_limit", (0, double.PositiveInfinity));
                return new Mamba2MixerOptions
                {
                    ModelDim = dim,
                    InnerDim = inner,
                    SsmDim = json.IsNumber("d_ssm") ? json.Integer("d_ssm") : inner,
                    StateDim = json.Integer("d_state", 128),
                    HeadDim = json.Integer("headdim", 64),
                    Groups = json.Integer("ngroups", 1),
                    ConvWidth = json.Integer("d_conv", 4),
                    Bias = json.Flag("bias", false),
                    ConvBias = json.Flag("conv_bias", true),
                    DPerChannel = json.Flag("D_has_hdim", false),
                    Norm = json.Flag("rmsnorm", true),
                    NormBeforeGate = json.Flag("norm_before_gate", false),
                    DeltaMin = (float)low,
                    DeltaMax = (float)high,
                    LearnableInitialState = json.Flag("learnable_init_states", false),
                };
            default:
                throw new NotSupportedException(
                    $"{json.Source}: ssm_cfg.layer is \"{layer}\"; supported are Mamba1 and Mamba2.");
        }
    }

    private static AttentionMixerOptions Attention(ConfigJson json, int dim)
    {
        json.RequireOnly(
        [
            "causal", "num_heads", "num_heads_kv", "head_dim", "mlp_dim", "qkv_proj_bias", "out_proj_bias", "d_conv",
            "rotary_emb_dim", "rotary_emb_base", "rotary_emb_interleaved",
        ]);
        int heads = json.Integer("num_heads");
        bool bias = json.Flag("qkv_proj_bias", true);
        if (!json.Flag("causal", true) || json.Integer("mlp_dim", 0) != 0 || json.Flag("out_proj_bias", true) != bias)
        {
            throw new NotSupportedException(
                $"{json.Source}: attn_cfg is not supported; expected causal, no mlp_dim, and biases on both or neither projection.");
        }

        return new()
        {
            ModelDim = dim,
            Heads = heads,
            KeyValueHeads = json.IsNumber("num_heads_kv") ? json.Integer("num_heads_kv") : heads,
            HeadDim = json.IsNumber("head_dim") ? json.Integer("head_dim") : dim / heads,
            RotaryDim = json.Integer("rotary_emb_dim", 0),
            RotaryBase = json.Number("rotary_emb_base", 10000),
            RotaryInterleaved = json.Flag("rotary_emb_interleaved", false),
            ConvWidth = json.Integer("d_conv", 0),
            Bias = bias,
        };
    }

    private static void Write(MixerOptions options, ConfigJsonWriter json)
    {
        switch (options)
        {
            case MambaMixerOptions { ParameterNormEpsilon: null, Gate: true } mamba when mamba.InnerDim % mamba.ModelDim == 0:
                json.Add("layer", "Mamba1");
                json.Add("expand", mamba.InnerDim / mamba.ModelDim);
                json.Add("d_state", mamba.StateDim);
                json.Add("d_conv", mamba.ConvWidth);
                json.Add("dt_rank", mamba.TimeStepRank);
                json.Add("bias", mamba.Bias);
                json.Add("conv_bias", mamba.ConvBias);
                json.Add("learnable_init_states", mamba.LearnableInitialState);
                break;
            case Mamba2MixerOptions { UngroupedNorm: false, NormEpsilon: 1e-5f, Gate: true } mamba2
                when mamba2.InnerDim % mamba2.ModelDim == 0:
                json.Add("layer", "Mamba2");
                json.Add("expand", mamba2.InnerDim / mamba2.ModelDim);
                json.Add("d_ssm", mamba2.SsmDim);
                json.Add("d_state", mamba2.StateDim);
                json.Add("d_conv", mamba2.ConvWidth);
                json.Add("headdim", mamba2.HeadDim);
                json.Add("ngroups", mamba2.Groups);
                json.Add("D_has_hdim", mamba2.DPerChannel);
                json.Add("rmsnorm", mamba2.Norm);
                json.Add("norm_before_gate", mamba2.NormBeforeGate);
                json.Add("dt_limit", (double[])[mamba2.DeltaMin, mamba2.DeltaMax]);
                json.Add("bias", mamba2.Bias);
                json.Add("conv_bias", mamba2.ConvBias);
                json.Add("learnable_init_states", mamba2.LearnableInitialState);
                break;
            default:
                throw new NotSupportedException(
                    $"Neither Hugging Face's nor the original format has words for the layer {options}.");
        }
    }

    private static void Write(AttentionMixerOptions attention, ConfigJsonWriter json)
    {
        json.Add("causal", true);
        json.Add("num_heads", attention.Heads);
        json.Add("num_heads_kv", attention.KeyValueHeads);
        json.Add("head_dim", attention.HeadDim);
        json.Add("rotary_emb_dim", attention.RotaryDim);
        json.Add("rotary_emb_base", attention.RotaryBase);
        json.Add("rotary_emb_interleaved", attention.RotaryInterleaved);
        json.Add("d_conv", attention.ConvWidth);
        json.Add("qkv_proj_bias", attention.Bias);
        json.Add("out_proj_bias", attention.Bias);
    }
}
