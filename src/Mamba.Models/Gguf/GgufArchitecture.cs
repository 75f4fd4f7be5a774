using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>A family of models as the keys of a GGUF file describe it.</summary>
internal abstract class GgufArchitecture(string name)
{
    /// <summary>The families that are read.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } =
    [
        new GgufMamba(), new GgufMamba2(), new GgufJamba(), new GgufFalconH1(), new GgufGraniteHybrid(),
        new GgufNemotronH(),
    ];

    /// <summary>Value of <c>general.architecture</c>, and prefix of the family's keys.</summary>
    public string Name => name;

    /// <summary>Number of tokens that the vocabularies of published models are padded to a multiple of.</summary>
    public virtual int VocabularyMultiple => 1;

    /// <summary>Reads the options of the layers.</summary>
    public abstract IReadOnlyList<MixerOptions> ReadLayers(GgufFile file, int layers, int modelDim, float epsilon);

    /// <summary>Number of layers of the file for a model.</summary>
    public virtual int BlockCount(LanguageModelConfig config) => config.Layers.Count;

    /// <summary>Reads what else the family's keys say of a model.</summary>
    public virtual LanguageModelConfig Complete(LanguageModelConfig config, GgufFile file) => config;

    /// <summary>A key that must have a size in the usual range.</summary>
    private protected int Size(GgufFile file, string key) => file.Keys.Integer($"{Name}.{key}", ConfigRanges.Size);
}
