using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>Mamba-1 models, Falcon-Mamba included.</summary>
internal sealed class GgufMamba() : GgufPureArchitecture(
    "mamba",
    new("attn_norm.weight", "norm.weight"),
    new("ssm_in.weight", "mixer.in_proj.weight"),
    new("ssm_conv1d.weight", "mixer.conv1d.weight", GgufLayout.Convolution),
    new("ssm_conv1d.bias", "mixer.conv1d.bias"),
    new("ssm_x.weight", "mixer.x_proj.weight"),
    new("ssm_dt.weight", "mixer.dt_proj.weight"),
    new("ssm_dt.bias", "mixer.dt_proj.bias"),
    new("ssm_a", "mixer.A_log", GgufLayout.A),
    new("ssm_d", "mixer.D"),
    new("ssm_out.weight", "mixer.out_proj.weight"))
{
    private const string ParameterNorms = "ssm.dt_b_c_rms";

    public override int VocabularyMultiple => 8;

    public override IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon) =>
    [
        .. Enumerable.Repeat(
            new MambaMixerOptions
            {
                ModelDim = modelDim,
                InnerDim = Size(file, "ssm.inner_size"),
                StateDim = Size(file, "ssm.state_size"),
                ConvWidth = Size(file, "ssm.conv_kernel"),
                TimeStepRank = Size(file, "ssm.time_step_rank"),
                ConvBias = file.Tensors.ContainsKey("blk.0.ssm_conv1d.bias"),
                ParameterNormEpsilon = file.Keys.Flag($"{Name}.{ParameterNorms}") == true ? epsilon : null,
            },
            layers),
    ];

    public override string? Missing(MixerOptions layer, float epsilon) => layer switch
    {
        not MambaMixerOptions => "",
        MambaMixerOptions { Gate: false } => ".Gate = False",
        MambaMixerOptions { Bias: true } => ".Bias = True",
        MambaMixerOptions { ConvBias: false } => ".ConvBias = False",
        MambaMixerOptions { LearnableInitialState: true } => ".LearnableInitialState = True",
        MambaMixerOptions { ParameterNormEpsilon: { } own } when own != epsilon =>
            $".ParameterNormEpsilon = {GgufModel.Shown(own)} where the model's is {GgufModel.Shown(epsilon)}",
        MambaMixerOptions mamba when mamba.InnerDim != 2 * mamba.ModelDim =>
            $".InnerDim = {mamba.InnerDim} where it must be twice {mamba.ModelDim}",
        _ => null,
    };

    public override void WriteLayers(MixerOptions layer, GgufWriter writer, string prefix)
    {
        MambaMixerOptions mamba = (MambaMixerOptions)layer;
        writer.AddUInt32($"{prefix}ssm.conv_kernel", mamba.ConvWidth);
        writer.AddUInt32($"{prefix}ssm.inner_size", mamba.InnerDim);
        writer.AddUInt32($"{prefix}ssm.state_size", mamba.StateDim);
        writer.AddUInt32($"{prefix}ssm.time_step_rank", mamba.TimeStepRank);
        writer.Add($"{prefix}{ParameterNorms}", mamba.ParameterNormEpsilon is not null);
    }
}
