using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>Jamba: layers of Mamba-1 and some of attention, each with a gated MLP or a mixture of them.</summary>
/// <remarks>Lieber et al., <see href="https://arxiv.org/abs/2403.19887"/>.</remarks>
internal sealed class Jamba : Family
{
    public override string ModelType => "jamba";

    protected override LanguageModelConfig ReadLayers(ConfigJson json)
    {
        RequireText(json, "hidden_act", "silu");
        RequireAbsent(json, "sliding_window");
        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        float epsilon = (float)json.Number("rms_norm_eps", ConfigRanges.Epsilon, 1e-6);
        MambaMixerOptions mamba = new()
        {
            ModelDim = dim,
            InnerDim = json.Derived(
                "mamba_expand times hidden_size", json.Number("mamba_expand", ConfigRanges.Positive, 2) * dim),
            StateDim = json.Integer("mamba_d_state", ConfigRanges.Size, 16),
            ConvWidth = json.Integer("mamba_d_conv", ConfigRanges.Size, 4),
            TimeStepRank = json.Integer("mamba_dt_rank", ConfigRanges.Size, "auto", (dim + 15) / 16),
            ConvBias = json.Flag("mamba_conv_bias", true),
            Bias = json.Flag("mamba_proj_bias", false),
            ParameterNormEpsilon = epsilon,
            ParameterNormWeights = true,
        };
        int heads = json.Integer("num_attention_heads", ConfigRanges.Size, 32);
        AttentionMixerOptions attention = new()
        {
            ModelDim = dim,
            Heads = heads,
            KeyValueHeads = json.Integer("num_key_value_heads", ConfigRanges.Size, heads),
            HeadDim = HeadDim(json, dim, heads),
        };
        GatedMlpOptions mlp = new()
        {
            ModelDim = dim,
            HiddenDim = json.Integer("intermediate_size", ConfigRanges.Size),
        };
        int experts = json.Integer("num_experts", ConfigRanges.Size, 16);
        ChannelMixerOptions mixture = experts == 1 ? mlp : new MixtureOfExpertsOptions
        {
            ModelDim = dim,
            Experts = experts,
            ExpertsPerToken = json.Integer("num_experts_per_tok", ConfigRanges.Size, 2),
            Expert = mlp,
            Routing = ExpertRouting.Softmax,
        };
        Func<int, bool> isAttention = Every(json, "attn_layer", 8, 4), isMixture = Every(json, "expert_layer", 2, 1);
        return new()
        {
            VocabularySize = json.Integer("vocab_size", ConfigRanges.Vocabulary),
            Layers =
            [
                .. Enumerable.Range(0, json.Integer("num_hidden_layers", ConfigRanges.Layers))
                    .SelectMany<int, MixerOptions>(
                        i => [isAttention(i) ? attention : mamba, isMixture(i) ? mixture : mlp]),
            ],
            NormEpsilon = epsilon,
        };
    }

    protected override void MapLayers(LanguageModelConfig config, TensorMap map)
    {
        for (int i = 0; i < config.Layers.Count; i += 2)
        {
            string tensors = $"model.layers.{i / 2}.", mixer = $"blocks.{i}.", channels = $"blocks.{i + 1}.";
            map.Add($"{tensors}input_layernorm.weight", $"{mixer}norm.weight", config.ModelDim);
            map.AddMixer(tensors, $"{mixer}mixer.", config.Layers[i]);
            map.Add($"{tensors}pre_ff_layernorm.weight", $"{channels}norm.weight", config.ModelDim);
            MapChannels($"{tensors}feed_forward.", $"{channels}mixer.", config.Layers[i + 1], map);
        }
    }

    private static void MapChannels(string tensors, string parameters, MixerOptions options, TensorMap map)
    {
        if (options is GatedMlpOptions mlp)
        {
            map.AddGatedMlp(tensors, parameters, mlp);
            return;
        }

        MixtureOfExpertsOptions mixture = (MixtureOfExpertsOptions)options;
        map.AddLinear($"{tensors}router", $"{parameters}router", mixture.ModelDim, mixture.Experts, bias: false);
        for (int expert = 0; expert < mixture.Experts; expert++)
        {
            map.AddGatedMlp(
                $"{tensors}experts.{expert}.", $"{parameters}experts.{expert}.", (GatedMlpOptions)mixture.Expert);
        }
    }

    /// <summary>Which layers are of a kind: every one of a period, from an offset on.</summary>
    private static Func<int, bool> Every(ConfigJson json, string kind, int usualPeriod, int usualOffset)
    {
        int period = json.Integer($"{kind}_period", ConfigRanges.Size, usualPeriod);
        int offset = json.Integer($"{kind}_offset", ConfigRanges.SizeOrNone, usualOffset);
        return layer => (layer - offset) % period == 0;
    }
}
