using Mamba.Checkpoints;
using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// Names and shapes of a model's weights in a checkpoint, from its configuration alone. A file is compared with them
/// before memory of the model's size is allocated.
/// </summary>
internal static class WeightShapes
{
    /// <summary>Checks that a checkpoint has the weights of a model, and no others.</summary>
    /// <param name="source">The checkpoint, under Hugging Face's names.</param>
    /// <param name="config">The model's configuration.</param>
    /// <exception cref="InvalidDataException">
    /// A weight is missing, unknown, of another shape, or not floating-point.
    /// </exception>
    public static void Require(ITensorSource source, LanguageModelConfig config) =>
        Require(source, Of(config), config, WeightNames.Head, _ => false);

    /// <summary>Checks that a checkpoint has the given weights of a model, and no others.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="weights">The names and shapes of the weights.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="head">The head's name.</param>
    /// <param name="ignores">Whether another tensor may exist.</param>
    /// <exception cref="InvalidDataException">
    /// A weight is missing, unknown, of another shape, or not floating-point.
    /// </exception>
    public static void Require(
        ITensorSource source,
        IEnumerable<(string Name, int[] Shape)> weights,
        LanguageModelConfig config,
        string head,
        Func<string, bool> ignores)
    {
        HashSet<string> known = [];
        foreach ((string name, int[] shape) in weights)
        {
            known.Add(name);
            RequireOne(source, name, shape);
        }

        if (config.TieEmbeddings && known.Add(head) && source.Tensors.ContainsKey(head))
        {
            // The head is a copy of the embedding.
            RequireOne(source, head, [config.PaddedVocabularySize, config.ModelDim]);
        }

        bool IsUnknown(string name) => !known.Contains(name) && !ignores(name);
        if (source.Tensors.FirstOrDefault(named => IsUnknown(named.Key)).Value is { } unknown)
        {
            throw new InvalidDataException(
                $"{source.Path}: the configuration is of a model without a tensor \"{unknown.Name}\"; " +
                $"expected {known.Count} names: {Some(known)}.");
        }
    }

    /// <summary>Lists the same weights as <see cref="WeightNames"/> for a model of this configuration.</summary>
    public static IEnumerable<(string Name, int[] Shape)> Of(LanguageModelConfig config)
    {
        int dim = config.ModelDim, mlp = config.MlpDim;
        yield return (WeightNames.Embedding, [config.PaddedVocabularySize, dim]);
        for (int i = 0; i < config.Layers.Count; i++)
        {
            string layer = $"backbone.layers.{i}.";
            yield return ($"{layer}norm.weight", [dim]);
            foreach ((string name, int[] shape) in Of(config.Layers[i]))
            {
                yield return ($"{layer}mixer.{name}", shape);
            }

            if (mlp > 0)
            {
                yield return ($"{layer}norm2.weight", [dim]);
                yield return ($"{layer}mlp.fc1.weight", [2 * mlp, dim]);
                yield return ($"{layer}mlp.fc2.weight", [dim, mlp]);
            }
        }

        yield return ("backbone.norm_f.weight", [dim]);
        if (!config.TieEmbeddings)
        {
            yield return (WeightNames.Head, [config.PaddedVocabularySize, dim]);
        }
    }

    private static void RequireOne(ITensorSource source, string name, int[] shape)
    {
        if (!source.Tensors.TryGetValue(name, out TensorInfo? info))
        {
            throw new InvalidDataException(
                $"{source.Path}: the tensor \"{name}\" is missing; found {source.Tensors.Count} tensors: " +
                $"{Some(source.Tensors.Values.Select(other => other.Name))}.");
        }

        source.CheckShape(info, shape, "from the configuration");
        source.CheckType(info, info.Type.IsFloat(), ElementTypes.Floats);
    }

    private static string Some(IEnumerable<string> names) =>
        names.Any() ? string.Join(", ", names.Take(3).Select(name => $"\"{name}\"")) + ", …" : "none";

    private static (string Name, int[] Shape)[] Of(MixerOptions options) => options switch
    {
        MambaMixerOptions mamba => Of(mamba),
        Mamba2MixerOptions mamba2 => Of(mamba2),
        AttentionMixerOptions attention => Of(attention),
        _ => throw new NotSupportedException($"Checkpoints have no names for the layer {options.GetType().Name}."),
    };

    private static (string Name, int[] Shape)[] Of(MambaMixerOptions options)
    {
        (int inner, int states, int rank) = (options.InnerDim, options.StateDim, options.TimeStepRank);
        return
        [
            .. Linear("in_proj", options.ModelDim, (options.Gate ? 2 : 1) * inner, options.Bias),
            .. Convolution(inner, options.ConvWidth, options.ConvBias),
            .. Linear("x_proj", inner, rank + (2 * states), bias: false),
            .. Linear("dt_proj", rank, inner, bias: true),
            ("A_log", [inner, states]),
            ("D", [inner]),
            .. Linear("out_proj", inner, options.ModelDim, options.Bias),
            .. If(options.LearnableInitialState, WeightNames.InitialState, inner, states),
        ];
    }

    private static (string Name, int[] Shape)[] Of(Mamba2MixerOptions options)
    {
        (int inner, int ssm, int heads) = (options.InnerDim, options.SsmDim, options.Heads);
        int projected = (2 * (inner - ssm)) + options.GateDim + options.ConvDim + heads;
        return
        [
            .. Linear("in_proj", options.ModelDim, projected, options.Bias),
            .. Convolution(options.ConvDim, options.ConvWidth, options.ConvBias),
            ("dt_bias", [heads]),
            ("A_log", [heads]),
            ("D", [options.DPerChannel ? ssm : heads]),
            .. If(options.Norm, "norm.weight", ssm),
            .. Linear("out_proj", inner, options.ModelDim, options.OutBias),
            .. If(options.LearnableInitialState, WeightNames.InitialState, heads, options.HeadDim, options.StateDim),
        ];
    }

    private static (string Name, int[] Shape)[] Of(AttentionMixerOptions options)
    {
        int queries = options.Heads * options.HeadDim, keys = options.KeyValueHeads * options.HeadDim;
        int projected = queries + (2 * keys);
        return
        [
            .. Linear("in_proj", options.ModelDim, projected, options.Bias),
            .. options.ConvWidth > 0 ? Convolution(projected, options.ConvWidth, bias: true) : [],
            .. Linear("out_proj", queries, options.ModelDim, options.Bias),
        ];
    }

    private static (string Name, int[] Shape)[] Linear(string name, int input, int output, bool bias) =>
        [($"{name}.weight", [output, input]), .. If(bias, $"{name}.bias", output)];

    private static (string Name, int[] Shape)[] Convolution(int channels, int width, bool bias) =>
        [("conv1d.weight", [channels, 1, width]), .. If(bias, "conv1d.bias", channels)];

    private static (string Name, int[] Shape)[] If(bool exists, string name, params int[] shape) =>
        exists ? [(name, shape)] : [];
}
