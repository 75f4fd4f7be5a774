using System.Globalization;
using System.Text;

namespace Mamba.Text.Templates;

/// <summary>
/// Cuts a template into tokens, with the white space that <c>trim_blocks</c> and <c>lstrip_blocks</c> leave.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] _operators =
    [
        "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(", ")",
        "[", "]", "{", "}", ";",
    ];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _at, _line = 1, _lineStart;

    private Lexer(string source) => _source = source;

    /// <summary>The tokens of a template.</summary>
    /// <exception cref="InvalidDataException">A tag or string does not end, or a character belongs nowhere.</exception>
    public static List<Token> Read(string source)
    {
        source = source.ReplaceLineEndings("\n");
        Lexer lexer = new(source.EndsWith('\n') ? source[..^1] : source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private Position Here => new(_line, _at - _lineStart + 1);

    private void ReadAll()
    {
        bool isLineStart = true, trims = false;
        while (_at < _source.Length)
        {
            int open = NextTag(_at);
            Position position = Here;
            string text = _source[_at..open];
            Advance(open);
            if (trims)
            {
                text = text.TrimStart();
            }

            if (open == _source.Length)
            {
                AddData(text, position);
                break;
            }

            char kind = _source[open + 1], sign = open + 2 < _source.Length ? _source[open + 2] : ' ';
            text = sign == '-' ? text.TrimEnd() : sign == '+' || kind == '{' ? text : WithoutIndent(text, isLineStart);
            AddData(text, position);
            position = Here;
            Advance(open + (sign is '-' or '+' ? 3 : 2));
            (trims, isLineStart) = kind switch
            {
                '#' => Comment(position),
                '{' => Tag(TokenKind.OutputBegin, TokenKind.OutputEnd, "}}", position),
                _ => IsRaw(out int body) ? Raw(body, position)
                    : Tag(TokenKind.BlockBegin, TokenKind.BlockEnd, "%}", position),
            };
        }

        _tokens.Add(new(TokenKind.End, "the end", Here));
    }

    private int NextTag(int from)
    {
        for (int i = from; i + 1 < _source.Length; i++)
        {
            if (_source[i] == '{' && (_source[i + 1] is '{' or '%' or '#'))
            {
                return i;
            }
        }

        return _source.Length;
    }

    // lstrip_blocks: the spaces before a tag that is the first of its line.
    private static string WithoutIndent(string text, bool isLineStart)
    {
        int start = text.LastIndexOf('\n') + 1;
        return (start > 0 || isLineStart) && text.AsSpan(start).IsWhiteSpace() ? text[..start] : text;
    }

    private void AddData(string text, Position position)
    {
        if (text.Length > 0)
        {
            _tokens.Add(new(TokenKind.Data, text, position));
        }
    }

    private (bool Trims, bool IsLineStart) Comment(Position position)
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw new TemplateFault("the comment does not end").At(position);
        }

        char sign = end > _at ? _source[end - 1] : ' ';
        Advance(end + 2);
        return Close(sign, isBlock: true);
    }

    // trim_blocks: the newline right after a block or comment.
    private (bool Trims, bool IsLineStart) Close(char sign, bool isBlock)
    {
        bool isNewline = isBlock && sign is not ('-' or '+') && _at < _source.Length && _source[_at] == '\n';
        if (isNewline)
        {
            Advance(_at + 1);
        }

        return (sign == '-', isNewline);
    }

    private bool IsRaw(out int body)
    {
        int i = SkipSpaces(_at);
        body = 0;
        if (string.CompareOrdinal(_source, i, "raw", 0, 3) != 0)
        {
            return false;
        }

        i = SkipSpaces(i + 3);
        i += i < _source.Length && _source[i] is '-' or '+' ? 1 : 0;
        body = i + 2;
        return i + 1 < _source.Length && _source[i] == '%' && _source[i + 1] == '}';
    }

    private (bool Trims, bool IsLineStart) Raw(int body, Position position)
    {
        char openSign = _source[body - 3];
        Advance(body);
        (bool trims, _) = Close(openSign, isBlock: true);
        int from = _at;
        for (int i = from; (i = _source.IndexOf("{%", i, StringComparison.Ordinal)) >= 0; i += 2)
        {
            char sign = i + 2 < _source.Length ? _source[i + 2] : ' ';
            int name = SkipSpaces(i + (sign is '-' or '+' ? 3 : 2)), end = SkipSpaces(name + 6);
            char endSign = end < _source.Length ? _source[end] : ' ';
            end += endSign is '-' or '+' ? 1 : 0;
            if (string.CompareOrdinal(_source, name, "endraw", 0, 6) == 0 &&
                string.CompareOrdinal(_source, end, "%}", 0, 2) == 0)
            {
                string text = _source[from..i];
                text = trims ? text.TrimStart() : text;
                text = sign == '-' ? text.TrimEnd() : sign == '+' ? text : WithoutIndent(text, isLineStart: false);
                AddData(text, Here);
                Advance(end + 2);
                return Close(endSign, isBlock: true);
            }
        }

        throw new TemplateFault("the block \"raw\" does not end").At(position);
    }

    private (bool Trims, bool IsLineStart) Tag(TokenKind begin, TokenKind end, string closing, Position position)
    {
        _tokens.Add(new(begin, begin == TokenKind.BlockBegin ? "{%" : "{{", position));
        int depth = 0; // "}}" inside of brackets ends two dictionaries
        while (true)
        {
            Advance(SkipSpaces(_at));
            if (_at == _source.Length)
            {
                throw new TemplateFault("the tag does not end").At(position);
            }

            char sign = _source[_at];
            int close = sign is '-' or '+' ? _at + 1 : _at;
            if (depth == 0 && string.CompareOrdinal(_source, close, closing, 0, 2) == 0)
            {
                _tokens.Add(new(end, closing, Here));
                Advance(close + 2);
                return Close(sign, isBlock: end == TokenKind.BlockEnd);
            }

            Token token = Next();
            depth += token.Kind != TokenKind.Operator ? 0
                : token.Text is "(" or "[" or "{" ? 1
                : token.Text is ")" or "]" or "}" ? -1
                : 0;
            _tokens.Add(token);
        }
    }

    private Token Next()
    {
        Position position = Here;
        char c = _source[_at];
        int from = _at, end = _at;
        if (char.IsLetter(c) || c == '_')
        {
            while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_'))
            {
                end++;
            }

            Advance(end);
            return new(TokenKind.Name, _source[from..end], position);
        }

        if (char.IsAsciiDigit(c))
        {
            return Number(position);
        }

        if (c is '"' or '\'')
        {
            return Text(c, position);
        }

        string? found = Array.Find(
            _operators, candidate => string.CompareOrdinal(_source, from, candidate, 0, candidate.Length) == 0);
        if (found is null)
        {
            throw new TemplateFault($"\"{c}\" is not expected in a tag").At(position);
        }

        Advance(_at + found.Length);
        return new(TokenKind.Operator, found, position);
    }

    private Token Number(Position position)
    {
        int from = _at, end = Digits(_at);
        bool isFloat = false;
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            (end, isFloat) = (Digits(end + 1), true);
        }

        int exponent = end;
        if (exponent < _source.Length && _source[exponent] is 'e' or 'E')
        {
            exponent += exponent + 1 < _source.Length && _source[exponent + 1] is '+' or '-' ? 2 : 1;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                (end, isFloat) = (Digits(exponent), true);
            }
        }

        Advance(end);
        string text = _source[from..end].Replace("_", "", StringComparison.Ordinal);
        return new(isFloat ? TokenKind.Float : TokenKind.Integer, text, position);
    }

    private int Digits(int from)
    {
        while (from < _source.Length && (char.IsAsciiDigit(_source[from]) || _source[from] == '_'))
        {
            from++;
        }

        return from;
    }

    private Token Text(char quote, Position position)
    {
        StringBuilder text = new();
        int i = _at + 1;
        for (; i < _source.Length && _source[i] != quote; i++)
        {
            if (_source[i] != '\\' || i + 1 == _source.Length)
            {
                text.Append(_source[i]);
                continue;
            }

            char c = _source[++i];
            int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                if (i + digits >= _source.Length ||
                    !uint.TryParse(
                        _source.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                        out uint code) ||
                    code > 0x10FFFF)
                {
                    throw new TemplateFault($"\"\\{c}\" is followed by no code of a character").At(position);
                }

                _ = code > 0xFFFF ? text.Append(char.ConvertFromUtf32((int)code)) : text.Append((char)code);
                i += digits;
                continue;
            }

            _ = c switch
            {
                'n' => text.Append('\n'),
                't' => text.Append('\t'),
                'r' => text.Append('\r'),
                'b' => text.Append('\b'),
                'f' => text.Append('\f'),
                'v' => text.Append('\v'),
                'a' => text.Append('\a'),
                '0' => text.Append('\0'),
                '\n' => text,
                '\\' or '\'' or '"' => text.Append(c),
                _ => text.Append('\\').Append(c),
            };
        }

        if (i >= _source.Length)
        {
            throw new TemplateFault("the string does not end").At(position);
        }

        Advance(i + 1);
        return new(TokenKind.String, text.ToString(), position);
    }

    private int SkipSpaces(int from)
    {
        while (from < _source.Length && char.IsWhiteSpace(_source[from]))
        {
            from++;
        }

        return from;
    }

    private void Advance(int to)
    {
        for (; _at < to && _at < _source.Length; _at++)
        {
            if (_source[_at] == '\n')
            {
                _line++;
                _lineStart = _at + 1;
            }
        }

        _at = to;
    }
}
