using Mamba.Layers;

namespace Mamba.Models.Gguf;

/// <summary>
/// Falcon-H1: every layer has Mamba-2 and attention side by side, then a gated MLP. Its constant factors are part of
/// the weights in GGUF files.
/// </summary>
internal sealed class GgufFalconH1() : GgufHybridArchitecture("falcon-h1", hasTwoBranches: true)
{
    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon)
    {
        Mamba2MixerOptions mamba = ReadMamba2(file, modelDim, epsilon) with
        {
            Norm = file.Tensors.ContainsKey("blk.0.ssm_norm.weight"),
        };
        AttentionMixerOptions attention =
            WithRotary(ReadAttention(file, modelDim, 0, layers), file, interleaved: false);
        ParallelMixerOptions mixer = new(new ParallelBranch(mamba), new ParallelBranch(attention));
        GatedMlpOptions mlp = new() { ModelDim = modelDim, HiddenDim = Size(file, "feed_forward_length") };
        return [.. Enumerable.Range(0, layers).SelectMany<int, MixerOptions>(_ => [mixer, mlp])];
    }

    private protected override void WriteKeys(LanguageModelConfig config, GgufWriter writer)
    {
        WriteAttention(config, writer, isList: false);
        WriteMamba2(config, writer);
        WriteChannels(config, writer);
    }

    private protected override string FeedForwardNorm => "ffn_norm";

    private protected override bool HasKind(MixerOptions layer, bool isChannels) => isChannels
        ? layer is GatedMlpOptions
        : layer is ParallelMixerOptions
        {
            Branches: [{ Mixer: Mamba2MixerOptions }, { Mixer: AttentionMixerOptions { RotaryDim: > 0 } }],
        };
}
