using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>Jamba: layers of Mamba-1 and some of attention, each with a gated MLP or a mixture of them.</summary>
internal sealed class GgufJamba() : GgufHybridArchitecture("jamba", hasTwoBranches: true)
{
    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon)
    {
        int[] keyHeads = PerLayer(file, "attention.head_count_kv", layers);
        MambaMixerOptions mamba = new()
        {
            ModelDim = modelDim,
            InnerDim = Size(file, "ssm.inner_size"),
            StateDim = Size(file, "ssm.state_size"),
            ConvWidth = Size(file, "ssm.conv_kernel"),
            TimeStepRank = Size(file, "ssm.time_step_rank"),
            ParameterNormEpsilon = epsilon,
            ParameterNormWeights = true,
        };
        GatedMlpOptions mlp = new() { ModelDim = modelDim, HiddenDim = Size(file, "feed_forward_length") };
        int experts = file.Keys.Integer($"{Name}.expert_count", ConfigRanges.SizeOrNone, absent: 0)!.Value;
        MixerOptions Channels(int layer) => !file.Tensors.ContainsKey($"blk.{layer}.ffn_gate_inp.weight") ? mlp
            : new MixtureOfExpertsOptions
            {
                ModelDim = modelDim,
                Experts = experts,
                ExpertsPerToken = Size(file, "expert_used_count"),
                Expert = mlp,
                Routing = ExpertRouting.Softmax,
            };
        return
        [
            .. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(
                i => [keyHeads[i] > 0 ? ReadAttention(file, modelDim, i, layers) : mamba, Channels(i)]),
        ];
    }

    private protected override void WriteKeys(LanguageModelConfig config, GgufWriter writer)
    {
        WriteAttention(config, writer);
        WriteChannels(config, writer);
        MambaMixerOptions mamba = config.Layers.OfType<MambaMixerOptions>().First();
        writer.AddUInt32($"{Name}.ssm.conv_kernel", mamba.ConvWidth);
        writer.AddUInt32($"{Name}.ssm.inner_size", mamba.InnerDim);
        writer.AddUInt32($"{Name}.ssm.state_size", mamba.StateDim);
        writer.AddUInt32($"{Name}.ssm.time_step_rank", mamba.TimeStepRank);
    }

    private protected override bool HasKind(MixerOptions layer, bool isChannels) =>
        isChannels ? IsGated(layer) : layer is MambaMixerOptions or AttentionMixerOptions;
}
