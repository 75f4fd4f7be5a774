using Mamba.Layers;

namespace Mamba.Models.Gguf;

/// <summary>Nemotron-H: every layer is one of Mamba-2, attention, and an MLP.</summary>
internal sealed class GgufNemotronH() : GgufHybridArchitecture("nemotron_h", hasTwoBranches: false)
{
    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon)
    {
        int[] keyHeads = PerLayer(file, "attention.head_count_kv", layers);
        int[] widths = PerLayer(file, "feed_forward_length", layers);
        Mamba2MixerOptions mamba = ReadMamba2(file, modelDim, epsilon);
        MlpOptions Mlp(int layer) => new()
        {
            ModelDim = modelDim,
            HiddenDim = widths[layer],
            Activation = Activation.SquaredRelu,
            Bias = file.Tensors.ContainsKey($"blk.{layer}.ffn_up.bias"),
        };
        return
        [
            .. Enumerable.Range(0, layers).Select<int, MixerOptions>(i => widths[i] > 0 ? Mlp(i)
                : keyHeads[i] > 0 ? ReadAttention(file, modelDim, i, layers)
                : mamba),
        ];
    }

    private protected override void WriteKeys(LanguageModelConfig config, GgufWriter writer)
    {
        WriteAttention(config, writer);
        WriteMamba2(config, writer);
        writer.Add(
            $"{Name}.feed_forward_length", [.. config.Layers.Select(layer => (layer as MlpOptions)?.HiddenDim ?? 0)]);
        writer.Add($"{Name}.attention.layer_norm_epsilon", config.NormEpsilon);
    }

    private protected override bool HasKind(MixerOptions layer, bool isChannels) =>
        layer is Mamba2MixerOptions or AttentionMixerOptions or MlpOptions;
}
