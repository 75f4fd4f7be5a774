using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// The names of weights in Hugging Face's checkpoints. The original state-spaces format differs in one letter of the
/// embedding's name.
/// </summary>
internal static class WeightNames
{
    public const string Embedding = "backbone.embeddings.weight";
    public const string OriginalEmbedding = "backbone.embedding.weight";
    public const string Head = "lm_head.weight";

    /// <summary>Last part of the name of a learned initial state.</summary>
    public const string InitialState = "init_states";

    /// <summary>All weights of a model; a tied head has no name.</summary>
    public static IEnumerable<NamedWeight> Of(MambaLanguageModel model, string embedding = Embedding)
    {
        yield return new(embedding, model.Embedding.Weight);
        for (int i = 0; i < model.Blocks.Count; i++)
        {
            foreach (NamedWeight weight in Of(model.Blocks[i], $"backbone.layers.{i}."))
            {
                yield return weight;
            }
        }

        yield return new("backbone.norm_f.weight", model.FinalNorm.Weight);
        if (model.Head is not null)
        {
            yield return new(Head, model.Head.Weight, Linear: model.Head);
        }
    }

    /// <summary>The names of learned initial states, present or possible.</summary>
    public static IEnumerable<(string Name, RecurrentMixer Mixer, WeightLayout Layout)> InitialStates(
        MambaLanguageModel model)
    {
        for (int i = 0; i < model.Blocks.Count; i++)
        {
            if (model.Blocks[i].Mixer is RecurrentMixer mixer)
            {
                yield return (
                    $"backbone.layers.{i}.mixer.{InitialState}",
                    mixer,
                    mixer is MambaMixer ? WeightLayout.Transposed : WeightLayout.Same);
            }
        }
    }

    /// <summary>The weights of a mixer, under the names of the original modules.</summary>
    public static IEnumerable<NamedWeight> Of(SequenceMixer mixer, string prefix) => mixer switch
    {
        MambaMixer mamba => Of(mamba, prefix),
        Mamba2Mixer mamba2 => Of(mamba2, prefix),
        AttentionMixer attention => Of(attention, prefix),
        _ => throw new NotSupportedException($"Checkpoints have no names for a {mixer.GetType().Name}."),
    };

    private static IEnumerable<NamedWeight> Of(ResidualBlock block, string prefix)
    {
        yield return new($"{prefix}norm.weight", block.Norm.Weight);
        foreach (NamedWeight weight in Of(block.Mixer, $"{prefix}mixer."))
        {
            yield return weight;
        }

        if (block.Mlp is not null)
        {
            yield return new($"{prefix}norm2.weight", block.MlpNorm!.Weight);
            yield return new($"{prefix}mlp.fc1.weight", block.Mlp.In.Weight, Linear: block.Mlp.In);
            yield return new($"{prefix}mlp.fc2.weight", block.Mlp.Out.Weight, Linear: block.Mlp.Out);
        }
    }

    private static IEnumerable<NamedWeight> Of(MambaMixer mixer, string prefix) =>
    [
        .. Of(mixer.InProjection, $"{prefix}in_proj"),
        .. Of(mixer.Convolution, $"{prefix}conv1d"),
        .. Of(mixer.Ssm.XProjection, $"{prefix}x_proj"),
        .. Of(mixer.Ssm.TimeStep, $"{prefix}dt_proj"),
        new($"{prefix}A_log", mixer.Ssm.ALog, WeightLayout.Transposed),
        new($"{prefix}D", mixer.Ssm.D),
        .. Of(mixer.OutProjection, $"{prefix}out_proj"),
        .. Optional($"{prefix}{InitialState}", mixer.InitialState, WeightLayout.Transposed),
    ];

    private static IEnumerable<NamedWeight> Of(Mamba2Mixer mixer, string prefix) =>
    [
        .. Of(mixer.InProjection, $"{prefix}in_proj"),
        .. Of(mixer.Convolution, $"{prefix}conv1d"),
        new($"{prefix}dt_bias", mixer.TimeStepBias),
        new($"{prefix}A_log", mixer.ALog),
        new($"{prefix}D", mixer.D),
        .. Optional($"{prefix}norm.weight", mixer.Norm),
        .. Of(mixer.OutProjection, $"{prefix}out_proj"),
        .. Optional($"{prefix}{InitialState}", mixer.InitialState),
    ];

    private static IEnumerable<NamedWeight> Of(AttentionMixer mixer, string prefix) =>
    [
        .. Of(mixer.InProjection, $"{prefix}in_proj"),
        .. mixer.Convolution is null ? [] : Of(mixer.Convolution, $"{prefix}conv1d"),
        .. Of(mixer.OutProjection, $"{prefix}out_proj"),
    ];

    private static IEnumerable<NamedWeight> Of(Linear linear, string name) =>
        [new($"{name}.weight", linear.Weight, Linear: linear), .. Optional($"{name}.bias", linear.Bias)];

    private static IEnumerable<NamedWeight> Of(DepthwiseConvolution convolution, string name) =>
    [
        new($"{name}.weight", convolution.Weight, WeightLayout.Convolution),
        .. Optional($"{name}.bias", convolution.Bias),
    ];

    private static IEnumerable<NamedWeight> Optional(
        string name, Parameter? parameter, WeightLayout layout = WeightLayout.Same) =>
        parameter is null ? [] : [new(name, parameter, layout)];
}
