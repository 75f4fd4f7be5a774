using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>
/// Granite 4 hybrids: layers of Mamba-2 and some of attention, each with a gated MLP, or with a mixture of experts
/// beside it.
/// </summary>
internal sealed class GgufGraniteHybrid() : GgufHybridArchitecture("granitehybrid", hasTwoBranches: true)
{
    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon)
    {
        int[] keyHeads = PerLayer(file, "attention.head_count_kv", layers);
        Mamba2MixerOptions mamba = ReadMamba2(file, modelDim, epsilon);
        AttentionMixerOptions Attention(int layer)
        {
            AttentionMixerOptions attention = ReadAttention(file, modelDim, layer, layers) with
            {
                Scale = file.Keys.Has($"{Name}.attention.scale") ? Factor(file, "attention.scale") : null,
            };

            // Rows of queries and keys are stored in the order of neighbouring pairs.
            return file.Keys.Flag($"{Name}.rope.scaling.finetuned") == true
                ? WithRotary(attention, file, interleaved: true)
                : attention;
        }

        ChannelMixerOptions channels = Channels(file, modelDim);
        return
        [
            .. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(
                i => [keyHeads[i] > 0 ? Attention(i) : mamba, channels]),
        ];
    }

    public override LanguageModelConfig Complete(LanguageModelConfig config, GgufFile file) => config with
    {
        EmbeddingScale = Factor(file, "embedding_scale"),
        ResidualScale = Factor(file, "residual_scale"),
        LogitScale = file.Keys.Has($"{Name}.logit_scale")
            ? (float)(1 / file.Keys.Number($"{Name}.logit_scale", ConfigRanges.Positive))
            : 1f,
    };

    private protected override void WriteKeys(LanguageModelConfig config, GgufWriter writer)
    {
        AttentionMixerOptions? attention = config.Layers.OfType<AttentionMixerOptions>().FirstOrDefault();
        WriteAttention(config, writer);
        WriteMamba2(config, writer);
        WriteChannels(config, writer);
        GatedMlpOptions? shared = (GatedMlpOptions?)config.Layers.OfType<MixtureOfExpertsOptions>().FirstOrDefault()
            ?.Shared;
        writer.AddUInt32($"{Name}.expert_shared_feed_forward_length", shared?.HiddenDim);
        writer.Add($"{Name}.rope.scaling.finetuned", attention is { RotaryDim: > 0 });
        writer.Add($"{Name}.embedding_scale", config.EmbeddingScale);
        writer.Add($"{Name}.residual_scale", config.ResidualScale);
        writer.Add($"{Name}.logit_scale", 1 / config.LogitScale);
        if (attention?.Scale is { } scale)
        {
            writer.Add($"{Name}.attention.scale", scale);
        }
    }

    private protected override bool HasKind(MixerOptions layer, bool isChannels) =>
        isChannels ? IsGated(layer) : layer is Mamba2MixerOptions or AttentionMixerOptions;

    private ChannelMixerOptions Channels(GgufFile file, int modelDim)
    {
        GatedMlpOptions mlp = new() { ModelDim = modelDim, HiddenDim = Size(file, "feed_forward_length") };
        int experts = file.Keys.Integer($"{Name}.expert_count", ConfigRanges.SizeOrNone, absent: 0)!.Value;
        int shared = file.Keys.Integer(
            $"{Name}.expert_shared_feed_forward_length", ConfigRanges.SizeOrNone, absent: 0)!.Value;
        return experts == 0 ? mlp : new MixtureOfExpertsOptions
        {
            ModelDim = modelDim,
            Experts = experts,
            ExpertsPerToken = Size(file, "expert_used_count"),
            Expert = mlp,
            Shared = shared > 0 ? mlp with { HiddenDim = shared } : null,
        };
    }
}
