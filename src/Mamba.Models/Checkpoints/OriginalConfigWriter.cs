using System.Globalization;
using Mamba.Checkpoints;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>Writes config.json of the original state-spaces models.</summary>
/// <remarks>The original Python class rejects unknown keys, so the file has no others.</remarks>
internal static class OriginalConfigWriter
{
    private const float NormEpsilon = 1e-5f; // a constant in the original code
    private const int MlpMultiple = 128;

    /// <summary>Names an option that the format cannot express; null: none.</summary>
    public static string? Missing(LanguageModelConfig config)
    {
        MixerOptions[] kinds = [.. config.Layers.Distinct()];
        return config switch
        {
            _ when config.NormEpsilon != NormEpsilon => $"NormEpsilon = {Shown(config.NormEpsilon)}",
            _ when HuggingFaceConfigWriter.MissingInBoth(config) is { } option => option,
            _ when config.MlpDim % MlpMultiple != 0 => $"MlpDim = {config.MlpDim}, no multiple of {MlpMultiple}",
            _ when Array.Find(kinds, kind => Missing(kind) == "") is { } other => other.GetType().Name,
            _ when kinds.Count(kind => kind is AttentionMixerOptions) > 1 => "Layers of attention that differ",
            _ when kinds.Count(kind => kind is not AttentionMixerOptions) > 1 => "Layers of Mamba that differ",
            _ when kinds.All(kind => kind is AttentionMixerOptions) => "Layers of attention alone",
            _ => kinds.Select(kind => Missing(kind) is { } ofLayer ? $"{kind.GetType().Name}{ofLayer}" : null)
                .FirstOrDefault(missing => missing is not null),
        };
    }

    /// <summary>Writes a configuration.</summary>
    /// <param name="config">A configuration that the format can express.</param>
    /// <param name="json">The writer.</param>
    public static void Write(LanguageModelConfig config, ConfigJsonWriter json)
    {
        json.Add("d_model", config.ModelDim);
        json.Add("d_intermediate", config.MlpDim);
        json.Add("n_layer", config.Layers.Count);
        json.Add("vocab_size", config.VocabularySize);
        json.Add("pad_vocab_size_multiple", config.VocabularyMultiple);
        json.Add(
            "ssm_cfg", section => Write(config.Layers.First(layer => layer is not AttentionMixerOptions), section));
        json.Add(
            "attn_layer_idx",
            (int[])
                [.. Enumerable.Range(0, config.Layers.Count).Where(i => config.Layers[i] is AttentionMixerOptions)]);
        json.Add("attn_cfg", section =>
        {
            if (config.Layers.OfType<AttentionMixerOptions>().FirstOrDefault() is { } attention)
            {
                Write(attention, section);
            }
        });
        json.Add("rms_norm", true);
        json.Add("residual_in_fp32", true);
        json.Add("fused_add_norm", true);
        json.Add("tie_embeddings", config.TieEmbeddings);
    }

    private static string? Missing(MixerOptions options) => options switch
    {
        MambaMixerOptions { Gate: false } or Mamba2MixerOptions { Gate: false } => ".Gate = False",
        MambaMixerOptions { ParameterNormEpsilon: { } epsilon } => $".ParameterNormEpsilon = {Shown(epsilon)}",
        Mamba2MixerOptions { UngroupedNorm: true } => ".UngroupedNorm = True",
        Mamba2MixerOptions { NormEpsilon: not NormEpsilon and float epsilon } => $".NormEpsilon = {Shown(epsilon)}",
        Mamba2MixerOptions { ProjectionScales: { } scales } => $".ProjectionScales = {scales}",
        Mamba2MixerOptions mixer when mixer.OutBias != mixer.Bias => $".OutBias = {mixer.OutBias}",
        AttentionMixerOptions { Causal: false } => ".Causal = False",
        AttentionMixerOptions { Scale: { } scale } => $".Scale = {Shown(scale)}",
        AttentionMixerOptions { HeadNormEpsilon: { } norm } => $".HeadNormEpsilon = {Shown(norm)}",
        AttentionMixerOptions attention when attention.InputDim != attention.ModelDim =>
            $".InputDim = {attention.InputDim}",
        AttentionMixerOptions { Window: > 0 and int window } => $".Window = {window}",
        MambaMixerOptions or Mamba2MixerOptions or AttentionMixerOptions => null,
        _ => "",
    };

    private static void Write(MixerOptions options, ConfigJsonWriter json)
    {
        if (options is MambaMixerOptions mamba)
        {
            Write(mamba, json);
        }
        else
        {
            Write((Mamba2MixerOptions)options, json);
        }
    }

    private static void Write(MambaMixerOptions mamba, ConfigJsonWriter json)
    {
        json.Add("layer", "Mamba1");
        Expansion.Add(json, mamba.InnerDim, mamba.ModelDim);
        json.Add("d_state", mamba.StateDim);
        json.Add("d_conv", mamba.ConvWidth);
        json.Add("dt_rank", mamba.TimeStepRank);
        json.Add("bias", mamba.Bias);
        json.Add("conv_bias", mamba.ConvBias);
        json.Add("learnable_init_states", mamba.LearnableInitialState);
    }

    private static void Write(Mamba2MixerOptions mamba2, ConfigJsonWriter json)
    {
        json.Add("layer", "Mamba2");
        Expansion.Add(json, mamba2.InnerDim, mamba2.ModelDim);
        json.Add("d_ssm", mamba2.SsmDim);
        json.Add("d_state", mamba2.StateDim);
        json.Add("d_conv", mamba2.ConvWidth);
        json.Add("headdim", mamba2.HeadDim);
        json.Add("ngroups", mamba2.Groups);
        json.Add("D_has_hdim", mamba2.DPerChannel);
        json.Add("rmsnorm", mamba2.Norm);
        json.Add("norm_before_gate", mamba2.NormBeforeGate);
        json.Add("dt_limit", (double[])[mamba2.DeltaMin, mamba2.DeltaMax]);
        json.Add("bias", mamba2.Bias);
        json.Add("conv_bias", mamba2.ConvBias);
        json.Add("learnable_init_states", mamba2.LearnableInitialState);
    }

    private static void Write(AttentionMixerOptions attention, ConfigJsonWriter json)
    {
        json.Add("causal", true);
        json.Add("num_heads", attention.Heads);
        json.Add("num_heads_kv", attention.KeyValueHeads);
        json.Add("head_dim", attention.HeadDim);
        json.Add("rotary_emb_dim", attention.RotaryDim);
        json.Add("rotary_emb_base", attention.RotaryBase);
        json.Add("rotary_emb_interleaved", attention.RotaryInterleaved);
        json.Add("d_conv", attention.ConvWidth);
        json.Add("qkv_proj_bias", attention.Bias);
        json.Add("out_proj_bias", attention.Bias);
    }

    private static string Shown(float value) => value.ToString(CultureInfo.InvariantCulture);
}
