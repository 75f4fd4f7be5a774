using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>
/// A family of models whose layers are all the same: its keys, and the names and layouts of its tensors, read and
/// written.
/// </summary>
internal abstract class GgufPureArchitecture : GgufArchitecture
{
    /// <summary>Names of tensors outside the layers.</summary>
    private static readonly GgufName[] _outer =
    [
        new("token_embd.weight", WeightNames.Embedding),
        new("output_norm.weight", "backbone.norm_f.weight"),
        new("output.weight", WeightNames.Head),
    ];

    private readonly Dictionary<string, GgufName> _names = [];

    private protected GgufPureArchitecture(string name, params ReadOnlySpan<GgufName> names)
        : base(name)
    {
        foreach (GgufName row in names)
        {
            _names.Add(row.HuggingFace, row);
        }
    }

    /// <summary>Names an option of a layer that the family's keys cannot express; null: none.</summary>
    public abstract string? Missing(MixerOptions layer, float epsilon);

    /// <summary>Writes the keys of the layers, without their common prefix.</summary>
    public abstract void WriteLayers(MixerOptions layer, GgufWriter writer, string prefix);

    /// <summary>Finds the name and layout of a weight in a GGUF file.</summary>
    /// <param name="huggingFace">Its name in a Hugging Face checkpoint.</param>
    /// <returns>The whole name; null if the family has no such weight.</returns>
    public GgufName? NameOf(string huggingFace)
    {
        const string Layers = "backbone.layers.";
        if (!huggingFace.StartsWith(Layers, StringComparison.Ordinal))
        {
            return Array.Find(_outer, row => row.HuggingFace == huggingFace);
        }

        int dot = huggingFace.IndexOf('.', Layers.Length);
        return _names.TryGetValue(huggingFace[(dot + 1)..], out GgufName? name)
            ? name with { Gguf = $"blk.{huggingFace[Layers.Length..dot]}.{name.Gguf}", HuggingFace = huggingFace }
            : null;
    }
}
