namespace Mamba.Text.Grammars;

/// <summary>The parts of JSON (RFC 8259) as rules of a grammar; each is made when it is first needed.</summary>
/// <remarks>
/// What a text may have is bounded where a model could go on forever, and so that every text can be read: a space, or a
/// new line with 20 characters of indentation, between tokens; 16 digits before and after a decimal point, two in an
/// exponent; 60 levels of values without a schema. A surrogate is only written as a pair.
/// </remarks>
/// <param name="grammar">The grammar to add to.</param>
internal sealed class JsonGrammar(Grammar grammar)
{
    private const int Indentation = 20, Digits = 16;

    private readonly Dictionary<string, int> _rules = [];

    /// <summary>The grammar.</summary>
    public Grammar Grammar => grammar;

    /// <summary>Any value.</summary>
    public int Value => Rule("value", start =>
    {
        int end = grammar.Add();
        grammar.End(end);
        foreach (int rule in new[] { Text, Number, True, False, Null })
        {
            grammar.Jump(grammar.Call(start, rule), end);
        }

        grammar.Jump(grammar.Call(start, Object(Value)), end);
        grammar.Jump(grammar.Call(start, Array(Value, 0, null)), end);
    });

    /// <summary>Any object.</summary>
    public int AnyObject => Object(Value);

    /// <summary>A text in quotation marks.</summary>
    public int Text => Rule("text", start =>
    {
        int body = grammar.Byte(start, '"', '"');
        grammar.Byte(body, ' ', '!', body);
        grammar.Byte(body, '#', '[', body);
        grammar.Byte(body, ']', 0x7F, body);
        AddUtf8(body);
        AddEscapes(body);
        grammar.End(grammar.Byte(body, '"', '"'));
    });

    /// <summary>A whole number.</summary>
    public int Integer => Rule("integer", start => grammar.End(WholePart(start)));

    /// <summary>A number.</summary>
    public int Number => Rule("number", start =>
    {
        int whole = WholePart(start), exponent = grammar.Add();
        grammar.End(whole);
        grammar.AnyOf(whole, "eE", exponent);
        int digit = grammar.Byte(whole, '.', '.');
        for (int i = 0; i < Digits; i++)
        {
            digit = grammar.Byte(digit, '0', '9');
            grammar.End(digit);
            grammar.AnyOf(digit, "eE", exponent);
        }

        int signed = grammar.AnyOf(exponent, "+-");
        grammar.Jump(exponent, signed);
        digit = grammar.Byte(signed, '0', '9');
        grammar.End(digit);
        grammar.End(grammar.Byte(digit, '0', '9'));
    });

    /// <summary><c>true</c>.</summary>
    public int True => Literal("true");

    /// <summary><c>false</c>.</summary>
    public int False => Literal("false");

    /// <summary><c>null</c>.</summary>
    public int Null => Literal("null");

    /// <summary>A text as it stands.</summary>
    public int Literal(string text) => Rule($"literal {text}", start =>
        grammar.End(grammar.Literal(start, System.Text.Encoding.UTF8.GetBytes(text))));

    /// <summary>An object with any names and values of a rule.</summary>
    public int Object(int value) => Rule($"object {value}", start =>
    {
        bool isAny = _rules.TryGetValue("value", out int any) && any == value;
        if (isAny)
        {
            grammar.LimitDepth(start);
        }

        int first = Space(grammar.Byte(start, '{', '{')), end = grammar.Byte(first, '}', '}');
        grammar.End(end);
        int name = grammar.Add();
        grammar.Jump(first, name);
        int colon = Space(grammar.Call(name, Text));
        int after = Space(CallValue(Space(grammar.Byte(colon, ':', ':')), value));
        grammar.Byte(after, '}', '}', end);
        grammar.Jump(Space(grammar.Byte(after, ',', ',')), name);
    });

    /// <summary>An array.</summary>
    /// <param name="item">The rule of its items.</param>
    /// <param name="least">The smallest number of items.</param>
    /// <param name="most">The largest; null: any.</param>
    public int Array(int item, int least, int? most) => Rule($"array {item} {least} {most}", start =>
    {
        if (_rules.TryGetValue("value", out int any) && any == item)
        {
            grammar.LimitDepth(start);
        }

        int first = Space(grammar.Byte(start, '[', '[')), end = grammar.Add();
        grammar.End(end);
        if (least == 0)
        {
            grammar.Byte(first, ']', ']', end);
        }

        int next = grammar.Add(), last = most ?? Math.Max(least, 1);
        grammar.Jump(first, next);
        for (int count = 1; count <= last; count++)
        {
            int after = Space(CallValue(next, item));
            if (count >= least)
            {
                grammar.Byte(after, ']', ']', end);
            }

            if (count < last)
            {
                next = Space(grammar.Byte(after, ',', ','));
            }
            else if (most is null)
            {
                grammar.Jump(Space(grammar.Byte(after, ',', ',')), next);
            }
        }
    });

    /// <summary>Calls the rule of a value that stands in another one, or of the whole text.</summary>
    public int CallValue(int from, int rule) => grammar.Call(from, rule, deepens: true);

    /// <summary>White space, or none; gives the state after it.</summary>
    public int Space(int from)
    {
        int after = grammar.Call(from, Rule("space", start =>
        {
            grammar.End(grammar.Byte(start, ' ', ' '));
            int line = grammar.Byte(start, '\n', '\n');
            grammar.End(line);
            for (int i = 0; i < Indentation; i++)
            {
                line = grammar.AnyOf(line, " \t");
                grammar.End(line);
            }
        }));
        grammar.Jump(from, after);
        return after;
    }

    /// <summary>A rule by its name, made once; it may call itself.</summary>
    public int Rule(string name, Action<int> build)
    {
        if (!_rules.TryGetValue(name, out int start))
        {
            start = grammar.Add();
            _rules.Add(name, start);
            build(start);
        }

        return start;
    }

    /// <summary>A whole number without zeros in front; gives the state after it.</summary>
    private int WholePart(int start)
    {
        int unsigned = grammar.Byte(start, '-', '-'), end = grammar.Add();
        grammar.Jump(start, unsigned);
        grammar.Byte(unsigned, '0', '0', end);
        int digit = grammar.Byte(unsigned, '1', '9');
        grammar.Jump(digit, end);
        for (int i = 1; i < Digits; i++)
        {
            digit = grammar.Byte(digit, '0', '9');
            grammar.Jump(digit, end);
        }

        return end;
    }

    private void AddEscapes(int body)
    {
        int escape = grammar.Byte(body, '\\', '\\');
        grammar.AnyOf(escape, "\"\\/bfnrt", body);
        int hex = grammar.Byte(escape, 'u', 'u');

        // Four digits that are no surrogate: the first is not d, or the second is below 8.
        int three = Hex(hex, "0123456789abcefABCEF"), d = grammar.AnyOf(hex, "dD");
        int two = Hex(three), one = Hex(two);
        grammar.AnyOf(d, "01234567", two);
        Hex(one, to: body);

        // A high surrogate, and the low one that must follow.
        int low = grammar.Literal(Hex(Hex(grammar.AnyOf(d, "89abAB"))), "\\u"u8);
        Hex(Hex(grammar.AnyOf(grammar.AnyOf(low, "dD"), "cdefCDEF")), to: body);
    }

    private int Hex(int from, string digits = "0123456789abcdefABCDEF") => grammar.AnyOf(from, digits);

    private void Hex(int from, int to) => grammar.AnyOf(from, "0123456789abcdefABCDEF", to);

    /// <summary>A character beyond ASCII, by the table of well-formed sequences (Unicode 15, table 3-7).</summary>
    private void AddUtf8(int body)
    {
        int last = grammar.Add(), two = grammar.Add();
        grammar.Byte(last, 0x80, 0xBF, body);
        grammar.Byte(two, 0x80, 0xBF, last);
        grammar.Byte(body, 0xC2, 0xDF, last);
        grammar.Byte(grammar.Byte(body, 0xE0, 0xE0), 0xA0, 0xBF, last);
        grammar.Byte(body, 0xE1, 0xEC, two);
        grammar.Byte(grammar.Byte(body, 0xED, 0xED), 0x80, 0x9F, last);
        grammar.Byte(body, 0xEE, 0xEF, two);
        grammar.Byte(grammar.Byte(body, 0xF0, 0xF0), 0x90, 0xBF, two);
        grammar.Byte(grammar.Byte(body, 0xF1, 0xF3), 0x80, 0xBF, two);
        grammar.Byte(grammar.Byte(body, 0xF4, 0xF4), 0x80, 0x8F, two);
    }
}
