using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>
/// A family of published models with layers of several kinds: how its config.json describes the layers, and what the
/// tensors of its checkpoints are called.
/// </summary>
internal abstract class Family
{
    private static readonly Dictionary<string, Family> All = new Family[]
    {
        new Bamba(), new FalconH1(), new GraniteHybrid(), new Jamba(), new NemotronH(), new Plamo2(), new Zamba2(),
    }.ToDictionary(family => family.ModelType);

    /// <summary>The values of <c>model_type</c> that a family reads.</summary>
    public static IEnumerable<string> Types => All.Keys;

    /// <summary>The family's name in config.json.</summary>
    public abstract string ModelType { get; }

    /// <summary>The names of the embedding, the norm before the head, and the head.</summary>
    protected virtual (string Embedding, string Norm, string Head) Ends =>
        ("model.embed_tokens.weight", "model.final_layernorm.weight", WeightNames.Head);

    /// <summary>What the weights of the norm before the head are stored as differences from.</summary>
    protected virtual float FinalNormOffset => 0;

    /// <summary>The family of a configuration; null if its model_type is of none.</summary>
    public static Family? Of(ConfigJson json) =>
        json.Has("model_type") ? All.GetValueOrDefault(json.Text("model_type")) : null;

    /// <summary>Reads a configuration.</summary>
    /// <param name="json">config.json.</param>
    /// <param name="weights">The checkpoint; decides what the configuration leaves open.</param>
    /// <exception cref="InvalidDataException">A value is missing, of another type, or out of its range.</exception>
    /// <exception cref="NotSupportedException">An option is not supported.</exception>
    public LanguageModelConfig Read(ConfigJson json, ITensorSource weights) => ReadLayers(json) with
    {
        TieEmbeddings = json.Flag("tie_word_embeddings", !weights.Tensors.ContainsKey(Ends.Head)),
    };

    /// <summary>Lists the tensors of a checkpoint.</summary>
    /// <param name="config">A configuration that <see cref="Read"/> has returned.</param>
    public TensorMap Map(LanguageModelConfig config)
    {
        TensorMap map = new();
        (string embedding, string norm, string head) = Ends;
        map.Add(embedding, "embedding.weight", config.PaddedVocabularySize, config.ModelDim);
        MapLayers(config, map);
        map.Add(new TensorPart(norm, [config.ModelDim], "final_norm.weight") { Offset = FinalNormOffset });
        if (!config.TieEmbeddings)
        {
            map.Add(head, "head.weight", config.PaddedVocabularySize, config.ModelDim);
        }

        return map;
    }

    /// <summary>Whether a tensor is no part of the model, although checkpoints have it.</summary>
    public virtual bool Ignores(string tensor) => false;

    /// <summary>Whether a tensor is stored as float32 in checkpoints of any precision.</summary>
    public virtual bool Float32(string tensor) => false;

    /// <summary>Writes the configuration that a model was loaded from, with its present tokens and precision.</summary>
    public static ConfigJsonWriter Write(ConfigJson json, ElementType type, LanguageModelConfig config)
    {
        ConfigJsonWriter writer = new();
        string precision = type.PythonName();
        foreach ((string key, string value) in json.RawValues)
        {
            switch (key)
            {
                case "torch_dtype" or "dtype":
                    writer.Add(key, precision);
                    break;
                case "eos_token_id":
                    GenerationConfig.AddEndOfText(writer, config.EndOfText);
                    break;
                case "time_step_limit" when json.Has(key):
                    (double low, double high) = json.Limits(key, default);
                    writer.Add(key, (double[])[low, high]); // its Infinity is a bare word
                    break;
                default:
                    writer.AddRaw(key, value);
                    break;
            }
        }

        if (!json.Has("eos_token_id") && !json.Keys.Contains("eos_token_id"))
        {
            GenerationConfig.AddEndOfText(writer, config.EndOfText);
        }

        return writer;
    }

    /// <summary>Checks that a checkpoint has the tensors of a model, in their shapes, and no others.</summary>
    /// <exception cref="InvalidDataException">
    /// A tensor is missing, unknown, of another shape, or not floating-point.
    /// </exception>
    public void RequireShapes(ITensorSource source, LanguageModelConfig config, TensorMap map)
    {
        Dictionary<string, int[]> shapes = [];
        foreach (TensorPart part in map.Parts)
        {
            shapes[part.Tensor] = part.Shape;
        }

        WeightShapes.Require(
            source, shapes.Select(named => (named.Key, named.Value)), config, Ends.Head, Ignores);
    }

    /// <summary>Reads a configuration, but for whether the head is the embedding.</summary>
    protected abstract LanguageModelConfig ReadLayers(ConfigJson json);

    /// <summary>Lists the tensors of the layers.</summary>
    protected abstract void MapLayers(LanguageModelConfig config, TensorMap map);

    /// <summary>Throws unless an option has the only value that is supported.</summary>
    protected static void RequireText(ConfigJson json, string key, string value)
    {
        if (json.Text(key, value) is { } found && found != value)
        {
            throw new NotSupportedException($"{json.Source}: {key} is \"{found}\"; supported is {value}.");
        }
    }

    /// <summary>Throws if an option is set.</summary>
    protected static void RequireAbsent(ConfigJson json, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (json.Has(key))
            {
                throw new NotSupportedException($"{json.Source}: {key} is set; supported is null.");
            }
        }
    }

    /// <summary>The base of rotary positions: at the top level, or in <c>rope_parameters</c>.</summary>
    protected static double RotaryBase(ConfigJson json)
    {
        RequireAbsent(json, "rope_scaling");
        ConfigJson parameters = json.Object("rope_parameters");
        RequireText(parameters, "rope_type", "default");
        return parameters.Has("rope_theta")
            ? parameters.Number("rope_theta", ConfigRanges.RotaryBase)
            : json.Number("rope_theta", ConfigRanges.RotaryBase, 10000);
    }

    /// <summary>A factor, 1 if it is absent.</summary>
    protected static float Factor(ConfigJson json, string key) => (float)json.Number(key, ConfigRanges.Finite, 1);

    /// <summary>Width of an attention head: <c>head_dim</c>, or the model's width divided by the heads.</summary>
    protected static int HeadDim(ConfigJson json, int modelDim, int heads)
    {
        if (json.Has("head_dim"))
        {
            return json.Integer("head_dim", ConfigRanges.Size);
        }

        return modelDim % heads == 0
            ? modelDim / heads
            : throw new InvalidDataException(
                $"{json.Source}: expected \"num_attention_heads\" to divide \"hidden_size\"; found {heads} and " +
                $"{modelDim}.");
    }
}
