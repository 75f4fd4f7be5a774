using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// Granite 4 hybrids: layers of Mamba-2 and some of attention, each with a gated MLP, or with a mixture of experts
/// beside it.
/// </summary>
internal sealed class GraniteHybrid : Family
{
    public override string ModelType => "granitemoehybrid";

    protected override (string Embedding, string Norm, string Head) Ends => base.Ends with
    {
        Norm = "model.norm.weight",
    };

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "hidden_act", "silu");
        RequireText(json, "normalization_function", "rmsnorm");
        RequireAbsent(json, "sliding_window");
        string positions = json.Text("position_embedding_type", "nope");
        if (positions is not ("rope" or "nope"))
        {
            throw new NotSupportedException(
                $"{json.Source}: position_embedding_type is \"{positions}\"; supported are rope and nope.");
        }

        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        string[] kinds = json.Texts("layer_types");
        int layers = json.Integer("num_hidden_layers", ConfigRanges.Layers);
        if (kinds.Length != layers)
        {
            throw new InvalidDataException(
                $"{json.Source}: expected a \"layer_types\" for each of {layers} layers; found {kinds.Length}.");
        }

        int heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        int headDim = HeadDim(json, dim, heads);
        AttentionMixerOptions attention = new()
        {
            ModelDim = dim,
            Heads = heads,
            KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, heads),
            HeadDim = headDim,
            RotaryDim = positions == "rope" ? headDim : 0,
            RotaryBase = RotaryBase(json),
            Scale = Factor(json, "attention_multiplier"),
            Bias = json.Flag("attention_bias", false),
        };
        MixerOptions Mixer(string kind) => kind switch
        {
            "mamba" or "linear_attention" => BambaMixer.Read(json),
            "attention" or "full_attention" => attention,
            _ => throw new NotSupportedException(
                $"{json.Source}: layer_types has \"{kind}\"; supported are mamba, linear_attention, attention and " +
                "full_attention."),
        };
        ChannelMixerOptions channels = Channels(json, dim);
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers = [.. kinds.SelectMany<string, MixerOptions>(kind => [Mixer(kind), channels])],
            NormEpsilon = (float)json.Number("rms_norm_eps", ConfigRanges.Epsilon, 1e-6),
            ResidualScale = Factor(json, "residual_multiplier"),
            EmbeddingScale = Factor(json, "embedding_multiplier"),
            LogitScale = (float)(1 / json.Number("logits_scaling", ConfigRanges.Positive, 1)),
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i += 2)
        {
            string tensors = $"model.layers.{i / 2}.", mixer = $"blocks.{i}.", channels = $"blocks.{i + 1}.";
            map.Add($"{tensors}input_layernorm.weight", $"{mixer}norm.weight", config.ModelDim);
            map.AddMixer(tensors, $"{mixer}mixer.", config.Layers[i]);
            map.Add($"{tensors}post_attention_layernorm.weight", $"{channels}norm.weight", config.ModelDim);
            MapChannels(tensors, $"{channels}mixer.", config.Layers[i + 1], map);
        }
    }

    private static void MapChannels(string tensors, string parameters, MixerOptions options, TensorMap map)
    {
        (string shared, GatedMlpOptions? mlp) = options is MixtureOfExpertsOptions { Shared: var beside }
            ? ($"{parameters}shared.", (GatedMlpOptions?)beside)
            : (parameters, (GatedMlpOptions)options);
        if (mlp is not null)
        {
            string prefix = $"{tensors}shared_mlp.";
            map.AddGateFirst(
                $"{prefix}input_linear.weight", $"{prefix}output_linear.weight", [shared], mlp, isStacked: false);
        }

        if (options is MixtureOfExpertsOptions mixture)
        {
            string prefix = $"{tensors}block_sparse_moe.";
            map.AddLinear(
                $"{prefix}router.layer", $"{parameters}router", mixture.ModelDim, mixture.Experts, bias: false);
            map.AddGateFirst(
                $"{prefix}input_linear.weight",
                $"{prefix}output_linear.weight",
                [.. Enumerable.Range(0, mixture.Experts).Select(i => $"{parameters}experts.{i}.")],
                (GatedMlpOptions)mixture.Expert,
                isStacked: true);
        }
    }

    private static ChannelMixerOptions Channels(ConfigJson json, int dim)
    {
        int width = json.Integer("shared_intermediate_size", ConfigRanges.SizeOrNone, 1024);
        GatedMlpOptions? shared = width > 0 ? new() { ModelDim = dim, HiddenDim = width } : null;
        int experts = json.Integer("num_local_experts", ConfigRanges.SizeOrNone, 8);
        if (experts > 0)
        {
            return new MixtureOfExpertsOptions
            {
                ModelDim = dim,
                Experts = experts,
                ExpertsPerToken = json.Integer("num_experts_per_tok", ConfigRanges.Size, 2),
                Expert = new GatedMlpOptions
                {
                    ModelDim = dim,
                    HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size),
                },
                Shared = shared,
            };
        }

        return shared ?? throw new InvalidDataException(
            $"{json.Source}: expected experts or a shared MLP; found \"num_local_experts\" and " +
            "\"shared_intermediate_size\" of 0.");
    }
}
