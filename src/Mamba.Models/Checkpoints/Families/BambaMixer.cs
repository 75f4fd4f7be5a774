using Mamba.Layers;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>The keys of a Mamba-2 mixer that the families Bamba, Falcon-H1 and Granite share.</summary>
internal static class BambaMixer
{
    /// <summary>Reads the mixer's options.</summary>
    /// <exception cref="InvalidDataException">A value is missing, of another type, or out of its range.</exception>
    public static Mamba2MixerOptions Read(ConfigJson json)
    {
        int dim = json.Integer("hidden_size", ConfigRanges.Size);
        int heads = json.Integer("mamba_n_heads", ConfigRanges.Size, 128);
        int inner = json.Has("mamba_d_ssm")
            ? json.Integer("mamba_d_ssm", ConfigRanges.Size)
            : json.Derived(
                "mamba_expand times hidden_size", json.Number("mamba_expand", ConfigRanges.Positive, 2) * dim);
        int headDim = json.Integer("mamba_d_head", ConfigRanges.Size, "auto", inner / heads);
        RequireHeads(json, inner, ("mamba_n_heads", heads), ("mamba_d_head", headDim));
        (double low, double high) = json.Limits("time_step_limit", (0, double.PositiveInfinity));
        return new()
        {
            ModelDim = dim,
            InnerDim = inner,
            HeadDim = headDim,
            StateDim = json.Integer("mamba_d_state", ConfigRanges.Size, 256),
            Groups = json.Integer("mamba_n_groups", ConfigRanges.Size, 1),
            ConvWidth = json.Integer("mamba_d_conv", ConfigRanges.Size, 4),
            ConvBias = json.Flag("mamba_conv_bias", true),
            Bias = json.Flag("mamba_proj_bias", false),
            UngroupedNorm = true,
            NormEpsilon = (float)json.Number("rms_norm_eps", ConfigRanges.Epsilon, 1e-5),
            DeltaMin = (float)low,
            DeltaMax = (float)high,
        };
    }

    /// <summary>Throws unless the heads fill the inner width.</summary>
    /// <exception cref="InvalidDataException">They do not.</exception>
    public static void RequireHeads(
        ConfigJson json, int inner, (string Key, int Count) heads, (string Key, int Size) width)
    {
        if ((long)heads.Count * width.Size != inner)
        {
            throw new InvalidDataException(
                $"{json.Source}: expected \"{heads.Key}\" times \"{width.Key}\" to be the inner width, {inner}; " +
                $"found {heads.Count} times {width.Size}.");
        }
    }
}
