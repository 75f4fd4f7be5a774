using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>Mamba-2 models.</summary>
internal sealed class GgufMamba2() : GgufPureArchitecture(
    "mamba2",
    new("attn_norm.weight", "norm.weight"),
    new("ssm_in.weight", "mixer.in_proj.weight"),
    new("ssm_conv1d.weight", "mixer.conv1d.weight", GgufLayout.Convolution),
    new("ssm_conv1d.bias", "mixer.conv1d.bias"),
    new("ssm_dt.bias", "mixer.dt_bias"),
    new("ssm_a", "mixer.A_log", GgufLayout.AColumn),
    new("ssm_d", "mixer.D", GgufLayout.Column),
    new("ssm_norm.weight", "mixer.norm.weight", GgufLayout.Groups),
    new("ssm_out.weight", "mixer.out_proj.weight"))
{
    public override int VocabularyMultiple => 16;

    /// <summary>Reads the options of a layer from the keys of any family that has such layers.</summary>
    public static Mamba2MixerOptions Read(GgufFile file, string architecture, int modelDim, float epsilon)
    {
        int Size(string key) => file.Keys.Integer($"{architecture}.{key}", ConfigRanges.Size);
        int inner = Size("ssm.inner_size"), heads = Size("ssm.time_step_rank"), groups = Size("ssm.group_count");
        if (inner % heads != 0)
        {
            throw file.Keys.Refuse(
                $"{architecture}.ssm.time_step_rank", $"a number of heads that divides {inner}", $"{heads}");
        }

        if (heads % groups != 0)
        {
            throw file.Keys.Refuse(
                $"{architecture}.ssm.group_count", $"a number of groups that divides {heads}", $"{groups}");
        }

        return new()
        {
            ModelDim = modelDim,
            InnerDim = inner,
            StateDim = Size("ssm.state_size"),
            HeadDim = inner / heads,
            Groups = groups,
            ConvWidth = Size("ssm.conv_kernel"),
            ConvBias = file.Tensors.Keys.Any(name => name.EndsWith("ssm_conv1d.bias", StringComparison.Ordinal)),
            NormEpsilon = epsilon,
        };
    }

    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon) =>
        [.. Enumerable.Repeat(Read(file, Name, modelDim, epsilon), layers)];

    public override string? Missing(MixerOptions layer, float epsilon) => layer switch
    {
        not Mamba2MixerOptions => "",
        Mamba2MixerOptions { Gate: false } => ".Gate = False",
        Mamba2MixerOptions { Norm: false } => ".Norm = False",
        Mamba2MixerOptions { NormBeforeGate: true } => ".NormBeforeGate = True",
        Mamba2MixerOptions { Groups: > 1, UngroupedNorm: true } => ".UngroupedNorm = True",
        Mamba2MixerOptions { Bias: true } => ".Bias = True",
        Mamba2MixerOptions { ConvBias: false } => ".ConvBias = False",
        Mamba2MixerOptions { DPerChannel: true } => ".DPerChannel = True",
        Mamba2MixerOptions { LearnableInitialState: true } => ".LearnableInitialState = True",
        Mamba2MixerOptions mixer when mixer.SsmDim != mixer.InnerDim => $".SsmDim = {mixer.SsmDim} of {mixer.InnerDim}",
        Mamba2MixerOptions mixer when mixer.DeltaMin > 0 => $".DeltaMin = {GgufModel.Shown(mixer.DeltaMin)}",
        Mamba2MixerOptions mixer when mixer.DeltaMax < float.PositiveInfinity =>
            $".DeltaMax = {GgufModel.Shown(mixer.DeltaMax)}",
        Mamba2MixerOptions mixer when mixer.NormEpsilon != epsilon =>
            $".NormEpsilon = {GgufModel.Shown(mixer.NormEpsilon)} where the model's is {GgufModel.Shown(epsilon)}",
        _ => null,
    };

    public override void WriteLayers(MixerOptions layer, GgufWriter writer, string prefix) =>
        Write((Mamba2MixerOptions)layer, writer, prefix);

    /// <summary>Writes the keys of a layer for any family that has such layers.</summary>
    public static void Write(Mamba2MixerOptions mamba2, GgufWriter writer, string prefix)
    {
        writer.AddUInt32($"{prefix}ssm.conv_kernel", mamba2.ConvWidth);
        writer.AddUInt32($"{prefix}ssm.inner_size", mamba2.InnerDim);
        writer.AddUInt32($"{prefix}ssm.state_size", mamba2.StateDim);
        writer.AddUInt32($"{prefix}ssm.time_step_rank", mamba2.Heads);
        writer.AddUInt32($"{prefix}ssm.group_count", mamba2.Groups);
    }
}
