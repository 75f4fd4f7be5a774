using Mamba.Models.Gguf;

namespace Mamba.Text;

/// <summary>A tokenizer as plain data, in the manner of GGUF files, for <see cref="TextTokenizer.Create"/>.</summary>
/// <remarks>The properties have the meaning of the keys <c>tokenizer.ggml.*</c>.</remarks>
public sealed record TokenizerVocabulary
{
    /// <summary>
    /// <c>gpt2</c>: tokens in GPT-2's alphabet of bytes, merged by <see cref="Merges"/>; <c>llama</c>: SentencePiece,
    /// merged by <see cref="Scores"/>.
    /// </summary>
    public required string Model { get; init; }

    /// <summary>The tokens; the index is the id.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>
    /// The kinds of the tokens: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. Null: all are normal.
    /// </summary>
    public IReadOnlyList<int>? Kinds { get; init; }

    /// <summary>Pairs of tokens that are merged, <c>"a b"</c>, the first ones first. <c>gpt2</c> only.</summary>
    public IReadOnlyList<string>? Merges { get; init; }

    /// <summary>A score of each token; a token of a high score is made first. <c>llama</c> only.</summary>
    public IReadOnlyList<float>? Scores { get; init; }

    /// <summary>
    /// The name of the rule by which text is cut into words, such as <c>llama-bpe</c>. <c>gpt2</c> only.
    /// </summary>
    public string? PreTokenizer { get; init; }

    /// <summary>BOS; null if there is none.</summary>
    public int? BeginToken { get; init; }

    /// <summary>EOS; null if there is none.</summary>
    public int? EndToken { get; init; }

    /// <summary>The token of text that has none; null if there is none.</summary>
    public int? UnknownToken { get; init; }

    /// <summary>The token that fills rows; null if there is none.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>
    /// Whether BOS is added; null: as <see cref="Model"/> and <see cref="PreTokenizer"/> have it by default.
    /// </summary>
    public bool? AddBeginToken { get; init; }

    /// <summary>Whether EOS is added; null: it is not.</summary>
    public bool? AddEndToken { get; init; }

    /// <summary>Whether a space is put before the text; null: it is for <c>llama</c>. <c>llama</c> only.</summary>
    public bool? AddSpacePrefix { get; init; }

    /// <summary>The template of conversations; null if there is none.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The vocabulary of a GGUF file.</summary>
    /// <param name="tokenizer">
    /// The data of the file, for example <see cref="Mamba.Models.MambaLanguageModel.GgufTokenizer"/>.
    /// </param>
    /// <returns>The vocabulary.</returns>
    public static TokenizerVocabulary From(GgufTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new()
        {
            Model = tokenizer.Model,
            Tokens = tokenizer.Tokens,
            Kinds = tokenizer.TokenTypes,
            Merges = tokenizer.Merges,
            Scores = tokenizer.Scores,
            PreTokenizer = tokenizer.Pre,
            BeginToken = tokenizer.BeginOfText,
            EndToken = tokenizer.EndOfText,
            UnknownToken = tokenizer.Unknown,
            PaddingToken = tokenizer.Padding,
            AddBeginToken = tokenizer.AddBeginOfText,
            AddEndToken = tokenizer.AddEndOfText,
            AddSpacePrefix = tokenizer.AddSpacePrefix,
            ChatTemplate = tokenizer.ChatTemplate,
        };
    }
}
