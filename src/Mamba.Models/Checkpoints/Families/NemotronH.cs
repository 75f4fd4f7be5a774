using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>Nemotron-H: every layer is one of Mamba-2, attention, an MLP, or a mixture of experts.</summary>
/// <remarks>NVIDIA, <see href="https://arxiv.org/abs/2504.03624"/>.</remarks>
internal sealed class NemotronH : Family
{
    private const string Kinds = "M, *, - and E, or mamba, attention, mlp and moe";

    public override string ModelType => "nemotron_h";

    protected override (string Embedding, string Norm, string Head) Ends =>
        (WeightNames.Embedding, "backbone.norm_f.weight", WeightNames.Head);

    /// <summary>Layers that predict tokens further ahead are for speculative decoding.</summary>
    public override bool Ignores(string tensor) => tensor.StartsWith("mtp.", StringComparison.Ordinal);

    /// <summary>The bias of the choice of experts.</summary>
    public override bool Float32(string tensor) => tensor.EndsWith("correction_bias", StringComparison.Ordinal);

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "mamba_hidden_act", "silu");
        RequireText(json, "mlp_hidden_act", "relu2");
        RequireAbsent(json, "sliding_window");
        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        float epsilon = (float)json.Number("layer_norm_epsilon", ConfigRanges.Epsilon, 1e-5);
        string[] kinds = json.Has("hybrid_override_pattern")
            ? [.. json.Text("hybrid_override_pattern").Select(letter => letter.ToString())]
            : json.Texts("layers_block_type");
        int layers = json.Integer("num_hidden_layers", ConfigRanges.Layers, kinds.Length);
        if (kinds.Length != layers)
        {
            throw new InvalidDataException(
                $"{json.Source}: expected a kind for each of {layers} layers; found {kinds.Length}.");
        }

        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers = [.. kinds.Select(kind => Layer(json, kind, dim, epsilon))],
            NormEpsilon = epsilon,
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i++)
        {
            string tensors = $"backbone.layers.{i}.", parameters = $"blocks.{i}.";
            map.Add($"{tensors}norm.weight", $"{parameters}norm.weight", config.ModelDim);
            (tensors, parameters) = ($"{tensors}mixer.", $"{parameters}mixer.");
            switch (config.Layers[i])
            {
                case Mamba2MixerOptions mamba:
                    map.AddMamba2(tensors, parameters, mamba);
                    break;
                case AttentionMixerOptions attention:
                    map.AddAttention(tensors, parameters, attention);
                    break;
                case MlpOptions mlp:
                    map.AddMlp(tensors, parameters, mlp);
                    break;
                case MixtureOfExpertsOptions mixture:
                    MapMixture(tensors, parameters, mixture, map);
                    break;
            }
        }
    }

    private static void MapMixture(
        string tensors, string parameters, MixtureOfExpertsOptions mixture, TensorMap map)
    {
        (int dim, int latent) = (mixture.ModelDim, mixture.LatentDim);
        map.AddLinear($"{tensors}gate", $"{parameters}router", dim, mixture.Experts, bias: false);
        map.Add($"{tensors}gate.e_score_correction_bias", $"{parameters}choice_bias", mixture.Experts);
        if (latent > 0)
        {
            map.AddLinear($"{tensors}fc1_latent_proj", $"{parameters}latent_in", dim, latent, bias: false);
            map.AddLinear($"{tensors}fc2_latent_proj", $"{parameters}latent_out", latent, dim, bias: false);
        }

        for (int expert = 0; expert < mixture.Experts; expert++)
        {
            map.AddMlp($"{tensors}experts.{expert}.", $"{parameters}experts.{expert}.", (MlpOptions)mixture.Expert);
        }

        if (mixture.Shared is MlpOptions shared)
        {
            map.AddMlp($"{tensors}shared_experts.", $"{parameters}shared.", shared);
        }
    }

    private static MixerOptions Layer(ConfigJson json, string kind, int dim, float epsilon) => kind switch
    {
        "M" or "mamba" or "linear_attention" => Mamba(json, dim, epsilon),
        "*" or "attention" or "full_attention" => Attention(json, dim),
        "-" or "mlp" => Mlp(json, dim, json.Integer("intermediate_size", ConfigRanges.Size)),
        "E" or "moe" => Mixture(json, dim),
        _ => throw new NotSupportedException(
            $"{json.Source}: a layer is of the kind \"{kind}\"; supported are {Kinds}."),
    };

    private static Mamba2MixerOptions Mamba(ConfigJson json, int dim, float epsilon)
    {
        int heads = json.Integer("mamba_num_heads", ConfigRanges.Size, 128);
        int headDim = json.Integer("mamba_head_dim", ConfigRanges.Size, 64);
        (double low, double high) = json.Limits("time_step_limit", (0, double.PositiveInfinity));
        return new()
        {
            ModelDim = dim,
            InnerDim = json.Derived("mamba_num_heads times mamba_head_dim", (double)heads * headDim),
            HeadDim = headDim,
            StateDim = json.Integer("ssm_state_size", ConfigRanges.Size, 128),
            Groups = json.Integer("n_groups", ConfigRanges.Size, 8),
            ConvWidth = json.Integer("conv_kernel", ConfigRanges.Size, 4),
            ConvBias = json.Flag("use_conv_bias", true),
            Bias = json.Flag("use_bias", false),
            NormEpsilon = epsilon,
            DeltaMin = (float)low,
            DeltaMax = (float)high,
        };
    }

    private static AttentionMixerOptions Attention(ConfigJson json, int dim)
    {
        int heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        return new()
        {
            ModelDim = dim,
            Heads = heads,
            KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, 8),
            HeadDim = json.Integer("head_dim", ConfigRanges.Size, 128),
            Bias = json.Flag("attention_bias", false),
        };
    }

    private static MlpOptions Mlp(ConfigJson json, int dim, int hidden) => new()
    {
        ModelDim = dim,
        HiddenDim = hidden,
        Activation = Activation.SquaredRelu,
        Bias = json.Flag("mlp_bias", false),
    };

    private static MixtureOfExpertsOptions Mixture(ConfigJson json, int dim)
    {
        int latent = json.Integer("moe_latent_size", ConfigRanges.SizeOrNone, 0);
        int shared = json.Integer("n_shared_experts", ConfigRanges.SizeOrNone, 1);
        if (shared > 1)
        {
            throw new NotSupportedException($"{json.Source}: n_shared_experts is {shared}; supported are 0 and 1.");
        }

        return new()
        {
            ModelDim = dim,
            Experts = json.Integer("n_routed_experts", ConfigRanges.Size),
            ExpertsPerToken = json.Integer("num_experts_per_tok", ConfigRanges.Size),
            Expert = Mlp(json, latent > 0 ? latent : dim, json.Integer("moe_intermediate_size", ConfigRanges.Size)),
            Shared = shared > 0
                ? Mlp(json, dim, json.Integer("moe_shared_expert_intermediate_size", ConfigRanges.Size))
                : null,
            Routing = ExpertRouting.Sigmoid,
            Groups = json.Integer("n_group", ConfigRanges.Size, 1),
            GroupsPerToken = json.Integer("topk_group", ConfigRanges.Size, 1),
            NormalizeWeights = json.Flag("norm_topk_prob", true),
            WeightScale = (float)json.Number("routed_scaling_factor", ConfigRanges.Finite, 1),
            LatentDim = latent,
        };
    }
}
