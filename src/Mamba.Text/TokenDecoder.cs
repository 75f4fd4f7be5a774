using Mamba.Text.Decoding;

namespace Mamba.Text;

/// <summary>
/// Turns tokens into text one by one, as they are generated. A character whose bytes are spread over several tokens
/// appears when its last byte has come, so no half character is printed.
/// </summary>
/// <remarks>
/// All texts together are the text that <see cref="TextTokenizer.Decode"/> gives. One exception: of bytes that are no
/// UTF-8, between tokens that stand for single bytes, <see cref="TextTokenizer.Decode"/> makes one U+FFFD of each byte
/// of the whole run, also of whole characters in it, which a stream has printed already.
/// <para>A decoder belongs to one sequence of tokens, and to one thread at a time.</para>
/// </remarks>
/// <example>
/// <code>
/// TokenDecoder decoder = tokenizer.CreateDecoder();
/// foreach (int token in ids)
/// {
///     Console.Write(decoder.Append(token));
/// }
///
/// Console.WriteLine(decoder.Finish());
/// </code>
/// </example>
public sealed class TokenDecoder
{
    private readonly Func<int, string?> _textOf;
    private readonly DecodeStep _first;
    private readonly TextSink _sink;

    internal TokenDecoder(Func<int, string?> textOf, Func<DecodeStep, DecodeStep> steps)
    {
        _textOf = textOf;
        _sink = new();
        _first = steps(_sink);
    }

    /// <summary>The text that has become certain with this token; often empty, or that of several tokens.</summary>
    /// <param name="token">
    /// The token's id. An id that the tokenizer does not know has no text: models have more rows than tokens.
    /// </param>
    /// <returns>The text.</returns>
    public string Append(int token)
    {
        if (_textOf(token) is { } text)
        {
            _first.Push(text);
        }

        return _sink.Take();
    }

    /// <summary>
    /// The text that was held back: U+FFFD if the last character is not whole. Call it after the last token.
    /// </summary>
    /// <returns>The text.</returns>
    public string Finish()
    {
        _first.End();
        return _sink.Take();
    }
}
