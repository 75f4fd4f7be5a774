using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>A family of models as GGUF describes it: its keys, and the names and layouts of its tensors.</summary>
internal abstract class GgufArchitecture
{
    /// <summary>Names of tensors outside the layers.</summary>
    private static readonly GgufName[] _outer =
    [
        new("token_embd.weight", WeightNames.Embedding),
        new("output_norm.weight", "backbone.norm_f.weight"),
        new("output.weight", WeightNames.Head),
    ];

    private readonly Dictionary<string, GgufName> _names = [];

    private protected GgufArchitecture(string name, params ReadOnlySpan<GgufName> names)
    {
        Name = name;
        foreach (GgufName row in names)
        {
            _names.Add(row.HuggingFace, row);
        }
    }

    /// <summary>The families that are read and written.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } = [new GgufMamba(), new GgufMamba2()];

    /// <summary>Value of <c>general.architecture</c>, and prefix of the family's keys.</summary>
    public string Name { get; }

    /// <summary>Number of tokens that the vocabularies of published models are padded to a multiple of.</summary>
    public abstract int VocabularyMultiple { get; }

    /// <summary>Reads the options of the layers.</summary>
    public abstract IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon);

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

    /// <summary>A key that must have a size in the usual range.</summary>
    private protected int Size(GgufFile file, string key) => file.Keys.Integer($"{Name}.{key}", ConfigRanges.Size);
}
