using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Mamba.Text.Unicode;

namespace Mamba.Text.Tokenizing;

/// <summary>What a pre-tokenizer or normalizer looks for: a string or a regular expression.</summary>
/// <remarks>
/// .NET matches UTF-16 code units, so <c>\p{L}</c> would not match a letter beyond U+FFFF. A text that has surrogates
/// is therefore matched in a copy in which one character of the same category stands for each surrogate pair.
/// </remarks>
internal sealed class PiecePattern
{
    private static readonly Lazy<char[]> _standIns = new(FindStandIns);

    private readonly string? _literal;
    private readonly Regex? _regex;

    private PiecePattern(string? literal, Regex? regex)
    {
        _literal = literal;
        _regex = regex;
    }

    /// <summary>A pattern that matches a string and nothing else.</summary>
    public static PiecePattern OfLiteral(string literal) => new(literal, null);

    /// <summary>A regular expression in the syntax of Oniguruma.</summary>
    /// <exception cref="NotSupportedException">It uses what is not supported.</exception>
    public static PiecePattern OfRegex(string pattern)
    {
        try
        {
            const RegexOptions Options =
                RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Multiline;
            return new(null, new(PatternTranslation.Of(pattern), Options, TimeSpan.FromSeconds(10)));
        }
        catch (ArgumentException exception)
        {
            throw Unsupported.Part($"the regular expression {pattern} ({exception.Message})");
        }
    }

    /// <summary>Appends the matches in a text, in order.</summary>
    /// <exception cref="InvalidDataException">The expression takes longer than ten seconds for one match.</exception>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        if (_literal is not null)
        {
            FindLiteral(text, matches);
        }
        else if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            Find(text, [], matches);
        }
        else
        {
            char[] copy = new char[text.Length];
            int[] places = new int[text.Length + 1];
            int count = 0;
            for (int i = 0; i < text.Length; count++)
            {
                _ = Rune.DecodeFromUtf16(text[i..], out Rune rune, out int length);
                copy[count] = rune.IsBmp ? text[i] : _standIns.Value[(int)Rune.GetUnicodeCategory(rune)];
                places[count] = i;
                i += length;
            }

            places[count] = text.Length;
            Find(copy.AsSpan(0, count), places, matches);
        }
    }

    private static char[] FindStandIns()
    {
        char[] found = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (int c = 0xFFFF; c > 0x7F; c--) // U+A000 to U+ABFF has rare scripts, which no pattern names
        {
            int category = (int)char.GetUnicodeCategory((char)c);
            if (found[category] == 0 || (found[category] > 0xABFF && c > 0xA000))
            {
                found[category] = (char)c;
            }
        }

        return found;
    }

    private void Find(ReadOnlySpan<char> text, ReadOnlySpan<int> places, List<(int Start, int End)> matches)
    {
        int last = -1;
        try
        {
            foreach (ValueMatch match in _regex!.EnumerateMatches(text))
            {
                int end = match.Index + match.Length;
                if (match.Length > 0 || match.Index != last)
                {
                    matches.Add(places.IsEmpty ? (match.Index, end) : (places[match.Index], places[end]));
                }

                last = end;
            }
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw Unsupported.Data("its regular expression takes longer than ten seconds for one match.", exception);
        }
    }

    private void FindLiteral(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        for (int from = 0; _literal!.Length > 0; from += _literal.Length)
        {
            int at = text[from..].IndexOf(_literal, StringComparison.Ordinal);
            if (at < 0)
            {
                return;
            }

            from += at;
            matches.Add((from, from + _literal.Length));
        }
    }
}
