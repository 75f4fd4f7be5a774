using System.Globalization;
using Mamba.Checkpoints;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>Writes config.json of Hugging Face's mamba, mamba2 and falcon_mamba models.</summary>
internal static class HuggingFaceConfigWriter
{
    /// <summary>Names an option that the format cannot express, or would read differently; null: none.</summary>
    public static string? Missing(LanguageModelConfig config)
    {
        MixerOptions first = config.Layers[0];
        return config switch
        {
            { MlpDim: > 0 } => $"MlpDim = {config.MlpDim}",
            _ when MissingInBoth(config) is { } option => option,
            _ when config.Layers.Any(layer => layer != first) => "Layers that differ",
            _ => Missing(first, config.NormEpsilon) is { } ofLayer ? $"{first.GetType().Name}{ofLayer}" : null,
        };
    }

    /// <summary>PyTorch's name of an element type that weights are saved in.</summary>
    public static string PythonName(this ElementType type) => type switch
    {
        ElementType.BF16 => "bfloat16",
        ElementType.F16 => "float16",
        _ => "float32",
    };

    /// <summary>
    /// Names an option of the model that neither this nor the original format can express; null: none.
    /// </summary>
    public static string? MissingInBoth(LanguageModelConfig config) => config switch
    {
        { PostNorms: true } => "PostNorms = True",
        { ResidualScale: not 1 } => $"ResidualScale = {Shown(config.ResidualScale)}",
        { EmbeddingScale: not 1 } => $"EmbeddingScale = {Shown(config.EmbeddingScale)}",
        { LogitScale: not 1 } => $"LogitScale = {Shown(config.LogitScale)}",
        _ => null,
    };

    /// <summary>Writes a configuration.</summary>
    /// <param name="config">A configuration that the format can express.</param>
    /// <param name="type">Element type of the weights.</param>
    /// <param name="json">The writer.</param>
    public static void Write(LanguageModelConfig config, ElementType type, ConfigJsonWriter json)
    {
        if (config.Layers[0] is MambaMixerOptions mamba)
        {
            Write(mamba, json);
        }
        else
        {
            Write((Mamba2MixerOptions)config.Layers[0], json);
        }

        json.Add("vocab_size", config.PaddedVocabularySize);
        if (config.VocabularyMultiple > 1)
        {
            json.Add(HuggingFaceConfig.UnpaddedVocabulary, config.VocabularySize);
            json.Add(HuggingFaceConfig.VocabularyMultiple, config.VocabularyMultiple);
        }

        json.Add("hidden_size", config.ModelDim);
        json.Add("num_hidden_layers", config.Layers.Count);
        json.Add("layer_norm_epsilon", Shortest(config.NormEpsilon));
        json.Add("tie_word_embeddings", config.TieEmbeddings);
        json.Add("hidden_act", "silu");
        json.Add("residual_in_fp32", true);
        json.Add("torch_dtype", type.PythonName());
        GenerationConfig.AddEndOfText(json, config.EndOfText);
    }

    private static string? Missing(MixerOptions options, float epsilon) => options switch
    {
        MambaMixerOptions { Gate: false } or Mamba2MixerOptions { Gate: false } => ".Gate = False",
        MambaMixerOptions { LearnableInitialState: true } or Mamba2MixerOptions { LearnableInitialState: true } =>
            ".LearnableInitialState = True",
        MambaMixerOptions { ParameterNormWeights: true } => ".ParameterNormWeights = True",
        Mamba2MixerOptions { DPerChannel: true } => ".DPerChannel = True",
        Mamba2MixerOptions { ProjectionScales: { } scales } => $".ProjectionScales = {scales}",
        Mamba2MixerOptions mixer when mixer.OutBias != mixer.Bias => $".OutBias = {mixer.OutBias}",
        Mamba2MixerOptions { Norm: false } => ".Norm = False",
        Mamba2MixerOptions { NormBeforeGate: true } => ".NormBeforeGate = True",
        Mamba2MixerOptions { Groups: > 1, UngroupedNorm: false } mixer =>
            $".Groups = {mixer.Groups}, UngroupedNorm = False",
        Mamba2MixerOptions mixer when mixer.SsmDim != mixer.InnerDim => $".SsmDim = {mixer.SsmDim} of {mixer.InnerDim}",
        Mamba2MixerOptions mixer when mixer.NormEpsilon != epsilon =>
            $".NormEpsilon = {Shown(mixer.NormEpsilon)} where the model's is {Shown(epsilon)}",
        MambaMixerOptions or Mamba2MixerOptions => null,
        _ => "",
    };

    private static void Write(MambaMixerOptions mixer, ConfigJsonWriter json)
    {
        bool falcon = mixer.ParameterNormEpsilon is not null;
        json.Add("architectures", (string[])[falcon ? "FalconMambaForCausalLM" : "MambaForCausalLM"]);
        json.Add("model_type", falcon ? "falcon_mamba" : "mamba");
        json.Add("intermediate_size", mixer.InnerDim);
        Expansion.Add(json, mixer.InnerDim, mixer.ModelDim);
        json.Add("state_size", mixer.StateDim);
        json.Add("conv_kernel", mixer.ConvWidth);
        json.Add("time_step_rank", mixer.TimeStepRank);
        json.Add("use_bias", mixer.Bias);
        json.Add("use_conv_bias", mixer.ConvBias);
        if (mixer.ParameterNormEpsilon is { } epsilon)
        {
            json.Add("mixer_rms_eps", Shortest(epsilon));
        }
    }

    private static void Write(Mamba2MixerOptions mixer, ConfigJsonWriter json)
    {
        json.Add("architectures", (string[])["Mamba2ForCausalLM"]);
        json.Add("model_type", "mamba2");
        Expansion.Add(json, mixer.InnerDim, mixer.ModelDim);
        json.Add("num_heads", mixer.Heads);
        json.Add("head_dim", mixer.HeadDim);
        json.Add("state_size", mixer.StateDim);
        json.Add("n_groups", mixer.Groups);
        json.Add("conv_kernel", mixer.ConvWidth);
        json.Add("use_bias", mixer.Bias);
        json.Add("use_conv_bias", mixer.ConvBias);
        json.Add("rms_norm", true);
        json.Add("time_step_limit", (double[])[mixer.DeltaMin, mixer.DeltaMax]);
        if (mixer.UngroupedNorm)
        {
            json.Add(HuggingFaceConfig.UngroupedNorm, true);
        }
    }

    /// <summary>The double with the fewest digits that rounds to a float: 1E-05, not 9.999999747378752E-06.</summary>
    private static double Shortest(float value)
    {
        // For the largest and the smallest float, that double is out of the range of floats.
        double shortest = double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return (float)shortest == value && shortest is >= float.Epsilon and <= float.MaxValue ? shortest : value;
    }

    private static string Shown(float value) => value.ToString(CultureInfo.InvariantCulture);
}
