using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>Reads config.json of the original state-spaces models.</summary>
internal static class OriginalConfig
{
    /// <summary>Options of the original modules that affect only speed or initialisation.</summary>
    private static readonly string[] WithoutMeaningHere =
    [
        "layer", "use_fast_path", "use_mem_eff_path", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor",
        "A_init_range", "chunk_size", "conv_init",
    ];

    /// <summary>Reads a configuration. Absent values have the defaults of the original classes.</summary>
    /// <exception cref="InvalidDataException">A value is missing, of another type, or out of its range.</exception>
    /// <exception cref="NotSupportedException">An option is not supported.</exception>
    public static LanguageModelConfig Read(ConfigJson json)
    {
        if (!json.Flag("rms_norm", true))
        {
            throw new NotSupportedException(
                $"{json.Source}: rms_norm is false; models with layer norms are not supported.");
        }

        int dim = json.Integer("d_model", ConfigRanges.Size);
        MixerOptions mixer = Mixer(json.Object("ssm_cfg"), dim);
        MixerOptions[] layers = new MixerOptions[json.Integer("n_layer", ConfigRanges.Layers)];
        Array.Fill(layers, mixer);
        int[] attentionLayers = json.Integers("attn_layer_idx", (0, layers.Length - 1));
        if (attentionLayers.Length > 0)
        {
            MixerOptions attention = Attention(json.Object("attn_cfg"), dim);
            Array.ForEach(attentionLayers, index => layers[index] = attention);
        }

        // The original MLP rounds its width up to a multiple of 128.
        int mlp = json.Integer("d_intermediate", ConfigRanges.SizeOrNone, 0);
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            VocabularyMultiple = json.Integer("pad_vocab_size_multiple", ConfigRanges.Size, 8),
            Layers = layers,
            MlpDim = (mlp + 127) / 128 * 128,
            TieEmbeddings = json.Flag("tie_embeddings", true),
        };
    }

    private static MixerOptions Mixer(ConfigJson json, int dim)
    {
        int inner = Expansion.InnerDim(json, dim);
        string layer = json.Text("layer", "Mamba1");
        switch (layer)
        {
            case "Mamba1":
                json.RequireOnly(
                [
                    .. WithoutMeaningHere, "d_state", "d_conv", "expand", "dt_rank", "bias", "conv_bias",
                    "learnable_init_states",
                ]);
                return new MambaMixerOptions
                {
                    ModelDim = dim,
                    InnerDim = inner,
                    StateDim = json.Integer("d_state", ConfigRanges.Size, 16),
                    ConvWidth = json.Integer("d_conv", ConfigRanges.Size, 4),
                    TimeStepRank = json.Integer("dt_rank", ConfigRanges.Size, "auto", (dim + 15) / 16),
                    Bias = json.Flag("bias", false),
                    ConvBias = json.Flag("conv_bias", true),
                    LearnableInitialState = json.Flag("learnable_init_states", false),
                };
            case "Mamba2":
                json.RequireOnly(
                [
                    .. WithoutMeaningHere, "d_state", "d_conv", "expand", "headdim", "d_ssm", "ngroups", "D_has_hdim",
                    "rmsnorm", "norm_before_gate", "dt_limit", "bias", "conv_bias", "learnable_init_states",
                    "activation",
                ]);
                return Mamba2(json, dim, inner);
            default:
                throw new NotSupportedException(
                    $"{json.Source}: ssm_cfg.layer is \"{layer}\"; supported are Mamba1 and Mamba2.");
        }
    }

    private static Mamba2MixerOptions Mamba2(ConfigJson json, int dim, int inner)
    {
        int states = json.Integer("d_state", ConfigRanges.Size, 128);
        int groups = json.Integer("ngroups", ConfigRanges.Size, 1);
        json.Derived("ngroups times d_state", (double)groups * states);
        (double low, double high) = json.Limits("dt_limit", (0, double.PositiveInfinity));
        return new()
        {
            ModelDim = dim,
            InnerDim = inner,
            SsmDim = json.Integer("d_ssm", ConfigRanges.Size, inner),
            StateDim = states,
            HeadDim = json.Integer("headdim", ConfigRanges.Size, 64),
            Groups = groups,
            ConvWidth = json.Integer("d_conv", ConfigRanges.Size, 4),
            Bias = json.Flag("bias", false),
            ConvBias = json.Flag("conv_bias", true),
            DPerChannel = json.Flag("D_has_hdim", false),
            Norm = json.Flag("rmsnorm", true),
            NormBeforeGate = json.Flag("norm_before_gate", false),
            DeltaMin = (float)low,
            DeltaMax = (float)high,
            LearnableInitialState = json.Flag("learnable_init_states", false),
        };
    }

    private static AttentionMixerOptions Attention(ConfigJson json, int dim)
    {
        json.RequireOnly(
        [
            "causal", "num_heads", "num_heads_kv", "head_dim", "mlp_dim", "qkv_proj_bias", "out_proj_bias", "d_conv",
            "rotary_emb_dim", "rotary_emb_base", "rotary_emb_interleaved",
        ]);
        bool bias = json.Flag("qkv_proj_bias", true);
        if (!json.Flag("causal", true)
            || json.Integer("mlp_dim", ConfigRanges.SizeOrNone, 0) != 0
            || json.Flag("out_proj_bias", true) != bias)
        {
            throw new NotSupportedException(
                $"{json.Source}: attn_cfg is not supported; expected causal, no mlp_dim, and biases on both " +
                "or neither projection.");
        }

        int heads = json.Integer("num_heads", ConfigRanges.Size);
        if (dim % heads != 0 && !json.Has("head_dim"))
        {
            throw new InvalidDataException(
                $"{json.Source}: expected attn_cfg.head_dim, or attn_cfg.num_heads that divide d_model = {dim}; " +
                $"found {heads}.");
        }

        int headDim = json.Integer("head_dim", ConfigRanges.Size, dim / heads);
        int keyValueHeads = json.Integer("num_heads_kv", ConfigRanges.Size, heads);
        json.Derived("num_heads times head_dim", (double)heads * headDim);
        json.Derived("num_heads_kv times head_dim", (double)keyValueHeads * headDim);
        return new()
        {
            ModelDim = dim,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadDim = headDim,
            RotaryDim = json.Integer("rotary_emb_dim", ConfigRanges.SizeOrNone, 0),
            RotaryBase = json.Number("rotary_emb_base", ConfigRanges.Positive, 10000),
            RotaryInterleaved = json.Flag("rotary_emb_interleaved", false),
            ConvWidth = json.Integer("d_conv", ConfigRanges.SizeOrNone, 0),
            Bias = bias,
        };
    }
}
