using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// A language model's checkpoint under Hugging Face's names, for checkpoints with other names: PyTorch wrappers add a
/// prefix to all names, a model saved without its head has no <c>backbone.</c>, and the original format's embedding
/// lacks an s.
/// </summary>
internal sealed class RenamedTensors : ITensorSource
{
    private const string Backbone = "backbone.";

    private static readonly string[] _wrappers = ["_orig_mod.", "module.", "model."];
    private static readonly string[] _embeddings = ["embeddings.weight", "embedding.weight"];

    private readonly ITensorSource _source;
    private readonly Dictionary<string, TensorInfo> _tensors = [];

    private RenamedTensors(ITensorSource source) => _source = source;

    public string Path => _source.Path;

    /// <summary>The tensors by their new names. Each has its name in the file, too.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>
    /// Renames all tensors by one rule, which the embedding's name decides. Names that do not fit are kept.
    /// </summary>
    /// <param name="source">The checkpoint; the result disposes it.</param>
    /// <exception cref="InvalidDataException">Two tensors would have the same name.</exception>
    public static RenamedTensors Of(ITensorSource source)
    {
        RenamedTensors renamed = new(source);
        (string prefix, bool hasBackbone) = Spelling(source.Tensors.Keys);
        foreach ((string name, TensorInfo info) in source.Tensors)
        {
            string usual = Usual(name, prefix, hasBackbone);
            if (!renamed._tensors.TryAdd(usual, info))
            {
                string other = renamed._tensors[usual].Name;
                throw new InvalidDataException(
                    $"{source.Path}: expected one tensor \"{usual}\"; found \"{other}\" and \"{name}\".");
            }
        }

        return renamed;
    }

    public void Read(string name, Span<float> target) => _source.Read(this.Find(name).Name, target);

    public void ReadRange(string name, long start, Span<float> target) =>
        _source.ReadRange(this.Find(name).Name, start, target);

    public void Dispose() => _source.Dispose();

    /// <summary>The prefix of the embedding's name, and whether the backbone's name follows it.</summary>
    private static (string Prefix, bool HasBackbone) Spelling(IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            string bare = name;
            while (Array.Find(_wrappers, word => bare.StartsWith(word, StringComparison.Ordinal)) is { } wrapper)
            {
                bare = bare[wrapper.Length..];
            }

            bool hasBackbone = bare.StartsWith(Backbone, StringComparison.Ordinal);
            if (_embeddings.Contains(hasBackbone ? bare[Backbone.Length..] : bare))
            {
                return (name[..^bare.Length], hasBackbone);
            }
        }

        return ("", true);
    }

    private static string Usual(string name, string prefix, bool hasBackbone)
    {
        string bare = name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
        string usual = hasBackbone || bare == WeightNames.Head ? bare : Backbone + bare;
        return usual == WeightNames.OriginalEmbedding ? WeightNames.Embedding : usual;
    }
}
