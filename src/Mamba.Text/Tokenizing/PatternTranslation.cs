using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>Rewrites a regular expression of Oniguruma, as tokenizers have them, as one of .NET.</summary>
/// <remarks>
/// Different are: possessive quantifiers; <c>\w</c>, <c>\b</c> and <c>\x{...}</c>; the letter ſ, which equals s where
/// case is ignored; sets within sets, intersections and POSIX names, which are refused. Classes such as <c>\p{L}</c>
/// and
/// <c>\s</c> are the same. <see cref="PiecePattern"/> cares for characters beyond the Basic Multilingual Plane.
/// </remarks>
internal ref struct PatternTranslation
{
    private const string Word = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9\u200C\u200D";

    private static readonly string[] _groups =
        ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?i)", "(?-i:"];

    private readonly string _pattern;
    private readonly StringBuilder _result;
    private int _at;

    private PatternTranslation(string pattern)
    {
        _pattern = pattern;
        _result = new(pattern.Length + 16);
    }

    /// <summary>The pattern for .NET.</summary>
    /// <exception cref="NotSupportedException">The pattern uses what has no translation.</exception>
    public static string Of(string pattern)
    {
        PatternTranslation translation = new(pattern);
        translation.Alternatives(ignoreCase: false, depth: 0);
        return translation._at == pattern.Length
            ? translation._result.ToString()
            : throw Refused(pattern, "a lone \")\"");
    }

    private static NotSupportedException Refused(string pattern, string what) =>
        Unsupported.Part($"the regular expression {pattern} with {what}");

    // Up to the end, or up to the parenthesis that closes the group.
    private void Alternatives(bool ignoreCase, int depth)
    {
        if (depth > 100)
        {
            throw Refused(_pattern, "more than 100 groups in each other");
        }

        while (_at < _pattern.Length && _pattern[_at] != ')')
        {
            int begin = _result.Length;
            char c = _pattern[_at];
            if (c == '|')
            {
                _result.Append(c);
                _at++;
                continue;
            }

            switch (c)
            {
                case '(':
                    ignoreCase = Group(ignoreCase, depth);
                    break;
                case '[':
                    Set(ignoreCase);
                    break;
                case '\\':
                    Escape(inSet: false);
                    break;
                case '*' or '+' or '?':
                    throw Refused(_pattern, $"\"{c}\" after nothing");
                default:
                    Literal(c, ignoreCase, inSet: false);
                    break;
            }

            Quantifiers(begin);
        }
    }

    // The pattern (?i) holds to the end of the group around it, so what holds after the group is returned.
    private bool Group(bool ignoreCase, int depth)
    {
        string rest = _pattern[_at..];
        string? open = Array.Find(_groups, form => rest.StartsWith(form, StringComparison.Ordinal));
        if (open is null && rest.StartsWith("(?", StringComparison.Ordinal))
        {
            throw Refused(_pattern, $"\"{rest[..Math.Min(rest.Length, 4)]}\"");
        }

        open ??= "(";
        _result.Append(open);
        _at += open.Length;
        if (open == "(?i)")
        {
            return true;
        }

        Alternatives(open == "(?i:" || (ignoreCase && open != "(?-i:"), depth + 1);
        if (_at == _pattern.Length)
        {
            throw Refused(_pattern, "a group that does not end");
        }

        _result.Append(')');
        _at++;
        return ignoreCase;
    }

    private void Set(bool ignoreCase)
    {
        int first = _at;
        _result.Append(_pattern[_at++]);
        if (_at < _pattern.Length && _pattern[_at] == '^')
        {
            _result.Append(_pattern[_at++]);
        }

        for (bool isFirst = true; ; isFirst = false)
        {
            if (_at == _pattern.Length)
            {
                throw Refused(_pattern, $"a set at {first} that does not end");
            }

            char c = _pattern[_at];
            if (c == ']' && !isFirst)
            {
                _result.Append(c);
                _at++;
                return;
            }

            if (c == '[' || (c == '&' && _pattern.AsSpan(_at).StartsWith("&&")))
            {
                throw Refused(_pattern, $"\"{c}\" in a set");
            }

            if (c == '\\')
            {
                Escape(inSet: true);
            }
            else
            {
                Literal(c, ignoreCase, inSet: true);
            }
        }
    }

    private void Literal(char c, bool ignoreCase, bool inSet)
    {
        if (char.IsSurrogate(c))
        {
            throw Refused(_pattern, "a character beyond U+FFFF");
        }

        _at++;
        bool isLongS = ignoreCase && (c is 's' or 'S');
        bool isRange = inSet && (_result[^1] == '-' || (_at < _pattern.Length && _pattern[_at] == '-'));
        _ = isLongS && !isRange ? _result.Append(inSet ? "sſ" : "[sſ]")
            : inSet && c is ']' ? _result.Append("\\]")
            : _result.Append(c);
    }

    private void Escape(bool inSet)
    {
        if (_at + 1 == _pattern.Length)
        {
            throw Refused(_pattern, "\"\\\" at its end");
        }

        char c = _pattern[_at + 1];
        _at += 2;
        if (c is 'p' or 'P')
        {
            int end = _at < _pattern.Length && _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
            string name = end < 0 ? "" : _pattern[(_at + 1)..end];
            if (name.Length is 0 or > 2)
            {
                throw Refused(_pattern, $"the property \"{name}\"");
            }

            _result.Append('\\').Append(c).Append('{').Append(name).Append('}');
            _at = end + 1;
        }
        else if (c == 'x' && _at < _pattern.Length && _pattern[_at] == '{')
        {
            int end = _pattern.IndexOf('}', _at);
            _ = end > 0 && ushort.TryParse(
                _pattern.AsSpan(_at + 1, end - _at - 1),
                System.Globalization.NumberStyles.AllowHexSpecifier,
                null,
                out ushort code) && !char.IsSurrogate((char)code)
                ? _result.Append($"\\u{code:X4}")
                : throw Refused(_pattern, "an \"\\x{...}\" that is no character up to U+FFFF");
            _at = end + 1;
        }
        else if (c == 'w')
        {
            _result.Append(inSet ? Word : $"[{Word}]");
        }
        else if (c == 'W' && !inSet)
        {
            _result.Append($"[^{Word}]");
        }
        else if (c is ('b' or 'B') && !inSet)
        {
            string inside = $"(?<=[{Word}])(?![{Word}])|(?<![{Word}])(?=[{Word}])";
            _result.Append(c == 'b' ? $"(?:{inside})" : $"(?!{inside})");
        }
        else if ((!char.IsAsciiLetterOrDigit(c) && !char.IsSurrogate(c)) || "dDsSrntfvaeux".Contains(c) ||
            (!inSet && c is ('A' or 'z' or 'Z')))
        {
            _result.Append('\\').Append(c);
        }
        else
        {
            throw Refused(_pattern, $"\"\\{c}\"");
        }
    }

    // A quantifier and a "+" after it: possessive, which .NET writes as an atomic group.
    private void Quantifiers(int begin)
    {
        while (_at < _pattern.Length && _pattern[_at] is '*' or '+' or '?' or '{')
        {
            int end = _at + 1;
            if (_pattern[_at] == '{')
            {
                end = _pattern.IndexOf('}', _at) + 1;
                string inside = end > 0 ? _pattern[(_at + 1)..(end - 1)] : "";
                if (inside.Length == 0 || inside[0] == ',' || !inside.All(c => char.IsAsciiDigit(c) || c == ','))
                {
                    throw Refused(_pattern, "a \"{\" that begins no quantifier");
                }
            }

            bool isInterval = _pattern[_at] == '{';
            _result.Append(_pattern, _at, end - _at);
            _at = end;
            if (_at < _pattern.Length && _pattern[_at] == '?')
            {
                _result.Append(_pattern[_at++]);
            }
            else if (_at < _pattern.Length && _pattern[_at] == '+' && !isInterval)
            {
                _result.Insert(begin, "(?>").Append(')');
                _at++;
            }

            if (_at < _pattern.Length && _pattern[_at] is '*' or '+' or '?' or '{')
            {
                _result.Insert(begin, "(?:").Append(')');
            }
        }
    }
}
