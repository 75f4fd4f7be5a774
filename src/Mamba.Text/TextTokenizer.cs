using Mamba.Models.Gguf;
using Mamba.Text.Files;

namespace Mamba.Text;

/// <summary>Turns text into the ids of a language model's tokens, and ids into text.</summary>
/// <remarks>Any number of threads may use a tokenizer at the same time.</remarks>
/// <example>
/// <code>
/// TextTokenizer tokenizer = TextTokenizer.Load("mamba-130m-hf"); // a downloaded folder
/// int[] prompt = tokenizer.Encode("Mamba is");
/// string text = tokenizer.Decode(prompt); // "Mamba is"
/// </code>
/// </example>
public abstract class TextTokenizer
{
    /// <summary>One more than the largest id. A model may have more rows than this.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The token at the beginning of a text (BOS); null if there is none.</summary>
    public int? BeginToken { get; private protected init; }

    /// <summary>The token after the end of a text (EOS); null if there is none.</summary>
    public int? EndToken { get; private protected init; }

    /// <summary>The token that fills rows of a batch; null if there is none.</summary>
    public int? PaddingToken { get; private protected init; }

    /// <summary>The token of text that has none; null if there is none.</summary>
    public int? UnknownToken { get; private protected init; }

    /// <summary>The template of conversations that came with the tokenizer; null if none did.</summary>
    public string? ChatTemplate { get; private protected init; }

    /// <summary>Reads the tokenizer of a published model.</summary>
    /// <param name="path">
    /// A folder in the manner of Hugging Face, with <c>tokenizer.json</c> (and <c>tokenizer_config.json</c>,
    /// <c>special_tokens_map.json</c>, <c>chat_template.jinja</c> if there are any) or <c>tokenizer.model</c>; or one
    /// of these two files, whose folder is then searched for the other ones; or a GGUF file.
    /// </param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="FileNotFoundException">There is no tokenizer.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    /// <exception cref="NotSupportedException">
    /// The tokenizer needs what this library does not have; it says what.
    /// </exception>
    public static TextTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && File.Exists(path)
            ? LoadGguf(path)
            : TokenizerFolder.Load(path);
    }

    /// <summary>Makes a tokenizer of a vocabulary, such as a GGUF file has.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="InvalidDataException">The vocabulary contradicts itself.</exception>
    /// <exception cref="NotSupportedException">Its kind of words is not known.</exception>
    public static TextTokenizer Create(TokenizerVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        return VocabularyReader.Read(vocabulary);
    }

    /// <summary>The ids of a text's tokens.</summary>
    /// <param name="text">The text. A surrogate without a partner is read as U+FFFD.</param>
    /// <param name="addSpecialTokens">
    /// Whether the tokenizer adds what it is set to add, mostly <see cref="BeginToken"/>. Leave it out for text that a
    /// chat template made, and for text that goes on.
    /// </param>
    /// <param name="recognizeSpecialTokens">
    /// Whether special tokens written in the text, such as <c>&lt;|endoftext|&gt;</c>, become those tokens. Leave it
    /// out for text of people who must not write control tokens.
    /// </param>
    /// <returns>The ids.</returns>
    public int[] Encode(string text, bool addSpecialTokens = true, bool recognizeSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return EncodeText(text, addSpecialTokens, recognizeSpecialTokens);
    }

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">Their ids. Ids that are no token have no text.</param>
    /// <param name="skipSpecialTokens">Whether special tokens have no text.</param>
    /// <returns>The text; U+FFFD where the bytes of the tokens are no UTF-8.</returns>
    public string Decode(ReadOnlySpan<int> tokens, bool skipSpecialTokens = false)
    {
        TokenDecoder decoder = CreateDecoder(skipSpecialTokens, streams: false);
        System.Text.StringBuilder text = new();
        foreach (int token in tokens)
        {
            text.Append(decoder.Append(token));
        }

        return text.Append(decoder.Finish()).ToString();
    }

    /// <summary>A decoder of tokens that come one by one.</summary>
    /// <param name="skipSpecialTokens">Whether special tokens have no text.</param>
    /// <returns>The decoder.</returns>
    public TokenDecoder CreateDecoder(bool skipSpecialTokens = false) =>
        CreateDecoder(skipSpecialTokens, streams: true);

    /// <summary>A token as the vocabulary spells it, for example <c>Ġthe</c>; null if no token has the id.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The spelling.</returns>
    public abstract string? TokenOf(int id);

    /// <summary>The id of a token; null if the vocabulary has no such token.</summary>
    /// <param name="token">The token as the vocabulary spells it.</param>
    /// <returns>The id.</returns>
    public abstract int? IdOf(string token);

    /// <summary>Whether an id is a special token: one that controls the model and is no text.</summary>
    /// <param name="id">The id.</param>
    /// <returns>Whether it is.</returns>
    public abstract bool IsSpecial(int id);

    /// <summary>
    /// The bytes that a token adds to a text that goes on; none for special tokens and for ids that are no token.
    /// </summary>
    /// <param name="id">The id.</param>
    /// <returns>The bytes, of UTF-8; a token may have a part of a character.</returns>
    public byte[] BytesOf(int id) => IsSpecial(id) || TokenOf(id) is null ? [] : BytesOfText(id);

    private static TextTokenizer LoadGguf(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return GgufTokenizer.Read(file) is { } tokenizer
            ? Create(TokenizerVocabulary.From(tokenizer))
            : throw new FileNotFoundException($"\"{path}\" has no tokenizer.", path);
    }

    private protected abstract int[] EncodeText(string text, bool addSpecialTokens, bool recognizeSpecialTokens);

    private protected abstract byte[] BytesOfText(int id);

    private protected abstract TokenDecoder CreateDecoder(bool skipSpecialTokens, bool streams);
}
