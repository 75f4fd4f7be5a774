using System.Buffers;
using System.Text;
using Mamba.Text.Unicode;

namespace Mamba.Text.Tokenizing;

/// <summary>Finds added tokens in a text: the leftmost one, and of those that begin there the longest.</summary>
internal sealed class TokenFinder
{
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> _tokens;
    private readonly SearchValues<string>? _any;
    private readonly int[] _lengths;

    /// <param name="tokens">
    /// What is looked for in the text, and the token that it is; the first of equal texts counts.
    /// </param>
    public TokenFinder(IEnumerable<(string Content, AddedToken Token)> tokens)
    {
        Dictionary<string, AddedToken> found = new(StringComparer.Ordinal);
        foreach ((string content, AddedToken token) in tokens)
        {
            if (content.Length > 0)
            {
                found.TryAdd(content, token);
            }
        }

        _tokens = found.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengths = [.. found.Keys.Select(content => content.Length).Distinct().OrderDescending()];
        _any = found.Count > 0 ? SearchValues.Create([.. found.Keys], StringComparison.Ordinal) : null;
    }

    /// <summary>Cuts a text into tokens and the text between them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="special">Whether special tokens count.</param>
    /// <param name="parts">Gets the parts; the token is null for text.</param>
    public void Cut(string text, bool special, List<(int Start, int End, AddedToken? Token)> parts)
    {
        int done = 0;
        for (int from = 0; _any is not null && from < text.Length;)
        {
            int at = text.AsSpan(from).IndexOfAny(_any);
            if (at < 0)
            {
                break;
            }

            int start = from + at;
            AddedToken token = LongestAt(text.AsSpan(start), out int length);
            int end = from = start + length;
            if ((token.IsSpecial && !special) || (token.IsSingleWord && TouchesWord(text, start, end)))
            {
                continue;
            }

            while (token.StripsLeft && start > done && char.IsWhiteSpace(text[start - 1]))
            {
                start--;
            }

            while (token.StripsRight && end < text.Length && char.IsWhiteSpace(text[end]))
            {
                end++;
            }

            if (done < start)
            {
                parts.Add((done, start, null));
            }

            parts.Add((start, end, token));
            done = end;
        }

        if (done < text.Length)
        {
            parts.Add((done, text.Length, null));
        }
    }

    private static bool TouchesWord(string text, int start, int end) =>
        (Rune.DecodeLastFromUtf16(text.AsSpan(0, start), out Rune before, out _) == OperationStatus.Done &&
            Characters.IsWord(before)) ||
        (Rune.DecodeFromUtf16(text.AsSpan(end), out Rune after, out _) == OperationStatus.Done &&
            Characters.IsWord(after));

    private AddedToken LongestAt(ReadOnlySpan<char> text, out int length)
    {
        foreach (int candidate in _lengths)
        {
            if (candidate <= text.Length && _tokens.TryGetValue(text[..candidate], out AddedToken? token))
            {
                length = candidate;
                return token;
            }
        }

        throw new InvalidOperationException("A token was found and is none.");
    }
}
