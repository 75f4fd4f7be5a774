using Mamba.Models;

namespace Mamba.Cli.Bench;

/// <summary>The sizes of the published models; their speed does not depend on what they have learned.</summary>
internal static class Presets
{
    private const int VocabularySize = 50277; // of the tokenizer that they share

    private static readonly
        (string Name, int ModelDim, int Layers, Func<int, int, int, LanguageModelConfig> Create)[] All =
    [
        ("mamba-130m", 768, 24, LanguageModelConfig.Mamba1),
        ("mamba-370m", 1024, 48, LanguageModelConfig.Mamba1),
        ("mamba-790m", 1536, 48, LanguageModelConfig.Mamba1),
        ("mamba-1.4b", 2048, 48, LanguageModelConfig.Mamba1),
        ("mamba-2.8b", 2560, 64, LanguageModelConfig.Mamba1),
        ("mamba2-130m", 768, 24, LanguageModelConfig.Mamba2),
        ("mamba2-370m", 1024, 48, LanguageModelConfig.Mamba2),
        ("mamba2-780m", 1536, 48, LanguageModelConfig.Mamba2),
        ("mamba2-1.3b", 2048, 48, LanguageModelConfig.Mamba2),
        ("mamba2-2.7b", 2560, 64, LanguageModelConfig.Mamba2),
    ];

    /// <summary>The names, with commas between them.</summary>
    public static string Names { get; } = string.Join(", ", All.Select(preset => preset.Name));

    /// <summary>The sizes that go by a name.</summary>
    /// <exception cref="ArgumentException">No published model has this name.</exception>
    public static LanguageModelConfig Find(string name)
    {
        foreach ((string known, int modelDim, int layers, Func<int, int, int, LanguageModelConfig> create) in All)
        {
            if (known == name)
            {
                return create(modelDim, layers, VocabularySize);
            }
        }

        throw new ArgumentException($"--preset: expected {Names}; found \"{name}\".");
    }
}
