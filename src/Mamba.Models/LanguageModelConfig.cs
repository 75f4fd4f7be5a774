using Mamba.Layers;

namespace Mamba.Models;

/// <summary>The sizes and the layers of a <see cref="MambaLanguageModel"/>.</summary>
/// <example>
/// <code>
/// LanguageModelConfig config = LanguageModelConfig.Mamba2(modelDim: 256, layers: 4, vocabularySize: 256);
/// using MambaLanguageModel model = new(device, config, new Random(1));
/// </code>
/// </example>
public sealed record LanguageModelConfig
{
    /// <summary>Number of tokens in the vocabulary, without padding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The vocabulary is padded to a multiple of this; 1 disables padding.</summary>
    public int VocabularyMultiple { get; init; } = 1;

    /// <summary>
    /// The layers, first to last, in any order: Mamba, Mamba-2, S4D, attention, mixers in parallel, MLPs, mixtures of
    /// experts, or your own. Each is a residual branch: <c>h += layer(norm(h))</c>.
    /// </summary>
    public required IReadOnlyList<MixerOptions> Layers { get; init; }

    /// <summary>
    /// Hidden width of a gated MLP after each layer; 0 for none. MLPs of other kinds are <see cref="Layers"/>.
    /// </summary>
    public int MlpDim { get; init; }

    /// <summary>
    /// Whether each layer's output is normalised before it is added: <c>h += norm(layer(norm(h)))</c>.
    /// </summary>
    public bool PostNorms { get; init; }

    /// <summary>Constant factor of each layer's output before it is added to the residual stream.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Constant factor of the embeddings, not of a head that shares them.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Constant factor of the logits.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>ε of the norms before the mixers, the MLPs and the head.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Whether the head shares the embedding's weights.</summary>
    public bool TieEmbeddings { get; init; } = true;

    /// <summary>Tokens that end a text, from 0 to <see cref="VocabularySize"/> - 1; empty for none.</summary>
    public IReadOnlyList<int> EndOfText { get; init; } = [];

    /// <summary>Width of the model, D.</summary>
    public int ModelDim => Layers[0].ModelDim;

    /// <summary>Rows of the embedding and of the head, V: the padded vocabulary.</summary>
    public int PaddedVocabularySize =>
        (VocabularySize + VocabularyMultiple - 1) / VocabularyMultiple * VocabularyMultiple;

    /// <summary>A model of identical Mamba-1 layers.</summary>
    /// <param name="modelDim">Width, D.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="vocabularySize">Number of tokens.</param>
    /// <returns>The configuration, with the defaults of the published models.</returns>
    public static LanguageModelConfig Mamba1(int modelDim, int layers, int vocabularySize) => new()
    {
        VocabularySize = vocabularySize,
        VocabularyMultiple = 8,
        Layers = [.. Enumerable.Repeat(new MambaMixerOptions { ModelDim = modelDim }, layers)],
    };

    /// <summary>A model of identical Mamba-2 layers.</summary>
    /// <param name="modelDim">Width, D.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="vocabularySize">Number of tokens.</param>
    /// <returns>The configuration, with the defaults of the published models.</returns>
    public static LanguageModelConfig Mamba2(int modelDim, int layers, int vocabularySize) => new()
    {
        VocabularySize = vocabularySize,
        VocabularyMultiple = 16,
        Layers = [.. Enumerable.Repeat(new Mamba2MixerOptions { ModelDim = modelDim }, layers)],
    };

    /// <summary>Throws if a value is invalid, and names it.</summary>
    /// <exception cref="ArgumentException">
    /// A size is not positive or too large, ε is not positive or not finite, a factor is not finite, an end-of-text
    /// token is not in the vocabulary, there are no layers, or their widths differ.
    /// </exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(VocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(VocabularyMultiple);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(VocabularySize, int.MaxValue - VocabularyMultiple);
        ArgumentOutOfRangeException.ThrowIfNegative(MlpDim);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MlpDim, int.MaxValue / 2);
        Setting.RequirePositiveFloat(NormEpsilon, nameof(NormEpsilon));
        Setting.RequireFinite(ResidualScale, nameof(ResidualScale));
        Setting.RequireFinite(EmbeddingScale, nameof(EmbeddingScale));
        Setting.RequireFinite(LogitScale, nameof(LogitScale));
        ArgumentNullException.ThrowIfNull(EndOfText);
        foreach (int token in EndOfText)
        {
            if (token < 0 || token >= VocabularySize)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(EndOfText), token, $"EndOfText must be of the vocabulary, 0 to {VocabularySize - 1}.");
            }
        }

        ArgumentNullException.ThrowIfNull(Layers);
        if (Layers.Count == 0)
        {
            throw new ArgumentException("A model has at least one layer; Layers is empty.");
        }

        for (int i = 0; i < Layers.Count; i++)
        {
            ArgumentNullException.ThrowIfNull(Layers[i], $"{nameof(Layers)}[{i}]");
            Layers[i].Validate();
            if (Layers[i].ModelDim != ModelDim)
            {
                throw new ArgumentException(
                    $"All layers have one ModelDim; layer 0 has {ModelDim}, layer {i} has {Layers[i].ModelDim}.");
            }
        }
    }
}
