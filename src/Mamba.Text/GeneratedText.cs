using Mamba.Models.Generation;
using Mamba.Text.Chat;

namespace Mamba.Text;

/// <summary>The text of generated tokens, piece by piece, up to the first stop string.</summary>
/// <remarks>
/// A character whose bytes are spread over several tokens comes with the last of them, and text that may be the
/// beginning of a stop string waits until it is certain. Stop strings are found wherever the borders of tokens are.
/// <para>An instance belongs to one text, and to one thread at a time.</para>
/// </remarks>
/// <example>
/// <code>
/// string[] stops = ["\n\n"];
/// GenerationOptions options = new() { StopRule = StopStrings.Rule(tokenizer, stops) };
/// GeneratedText text = new(tokenizer, stops);
/// await foreach (GeneratedToken token in model.GenerateTokensAsync(prompt, options))
/// {
///     Console.Write(text.Append(token).Text);
/// }
///
/// Console.WriteLine(text.Finish().Text);
/// </code>
/// </example>
public sealed class GeneratedText
{
    private readonly TokenDecoder _decoder;
    private readonly StopFinder _stops;
    private readonly Func<int, string?> _visible;
    private readonly Queue<(GeneratedToken Token, long Start, long End)> _waiting = [];
    private long _decoded, _given;

    /// <summary>Begins a text.</summary>
    /// <param name="tokenizer">The tokenizer of the tokens.</param>
    /// <param name="stopStrings">Strings that end the text and are not part of it; null: none.</param>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public GeneratedText(TextTokenizer tokenizer, IReadOnlyList<string>? stopStrings = null)
        : this(tokenizer, stopStrings, _ => null)
    {
    }

    /// <summary>Begins a text in which some special tokens are visible.</summary>
    /// <param name="tokenizer">The tokenizer of the tokens.</param>
    /// <param name="stopStrings">Strings that end the text; null: none.</param>
    /// <param name="visible">The text of a special token by its id; null: it has none, as usual.</param>
    internal GeneratedText(TextTokenizer tokenizer, IReadOnlyList<string>? stopStrings, Func<int, string?> visible)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _decoder = tokenizer.CreateDecoder(skipSpecialTokens: true);
        _stops = new(StopStrings.Checked(stopStrings ?? []));
        _visible = visible;
    }

    /// <summary>Whether a stop string was found. The text ends before it; what comes after is dropped.</summary>
    public bool IsStopped => _stops.IsFound;

    /// <summary>Reads the tokens before the text, without looking for stop strings in them.</summary>
    /// <param name="prompt">Their ids.</param>
    /// <returns>Their text; a last character that is not whole comes with the next piece.</returns>
    public string Begin(ReadOnlySpan<int> prompt)
    {
        System.Text.StringBuilder text = new();
        foreach (int token in prompt)
        {
            text.Append(_decoder.Append(token));
        }

        return text.ToString();
    }

    /// <summary>Adds a token.</summary>
    /// <param name="token">The token.</param>
    /// <returns>What has become certain with it.</returns>
    public TextPiece Append(GeneratedToken token)
    {
        string text = _decoder.Append(token.Id) + _visible(token.Id);
        if (!IsStopped)
        {
            _waiting.Enqueue((token, _decoded, _decoded + text.Length));
        }

        return Give(text, isEnd: false);
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What waited until now.</returns>
    public TextPiece Finish() => Give(_decoder.Finish(), isEnd: true);

    private TextPiece Give(string text, bool isEnd)
    {
        _decoded += text.Length;
        text = _stops.Append(text);
        text += isEnd ? _stops.Finish() : "";
        _given += text.Length;
        List<GeneratedToken> tokens = [];
        while (_waiting.TryPeek(out (GeneratedToken Token, long Start, long End) next)
            && (IsStopped ? next.Start < _given : isEnd || next.End < _given || HasText(next)))
        {
            tokens.Add(_waiting.Dequeue().Token);
        }

        if (IsStopped)
        {
            _waiting.Clear(); // tokens of the stop string
        }

        return new(text, tokens);

        // A token without text at the end may be the first bytes of a character, which comes later.
        bool HasText((GeneratedToken Token, long Start, long End) one) => one.End == _given && one.End > one.Start;
    }
}
