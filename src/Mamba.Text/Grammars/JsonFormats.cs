using System.Globalization;
using System.Text;

namespace Mamba.Text.Grammars;

/// <summary>Texts of the formats that JSON schemas name.</summary>
internal static class JsonFormats
{
    /// <summary>The rule of a format; null if it is none that is known.</summary>
    public static int? Find(string name, JsonGrammar json) => name switch
    {
        "date" => Quoted(name, json, Date),
        "time" => Quoted(name, json, Time),
        "date-time" => Quoted(name, json, (grammar, from) =>
            Time(grammar, grammar.Byte(Date(grammar, from), 'T', 'T'))),
        "uuid" => Quoted(name, json, Uuid),
        _ => null,
    };

    private static int Quoted(string name, JsonGrammar json, Func<Grammar, int, int> body) =>
        json.Rule($"format {name}", start =>
        {
            Grammar grammar = json.Grammar;
            int end = body(grammar, grammar.Byte(start, '"', '"'));
            grammar.End(grammar.Byte(end, '"', '"'));
        });

    /// <summary>A date of RFC 3339. The 29th of February is never one, because of common years.</summary>
    private static int Date(Grammar grammar, int from)
    {
        int year = grammar.AnyOf(from, "12");
        for (int i = 0; i < 3; i++)
        {
            year = grammar.Byte(year, '0', '9');
        }

        int month = grammar.Byte(year, '-', '-'), end = grammar.Add();
        foreach ((string[] months, string last) in new (string[], string)[]
        {
            (["01", "03", "05", "07", "08", "10", "12"], "31"), (["04", "06", "09", "11"], "30"), (["02"], "28"),
        })
        {
            int dash = grammar.Add();
            foreach (string one in months)
            {
                grammar.Jump(grammar.Literal(month, Ascii(one)), dash);
            }

            int day = grammar.Byte(dash, '-', '-');
            for (int i = 1; i <= int.Parse(last, CultureInfo.InvariantCulture); i++)
            {
                grammar.Jump(grammar.Literal(day, Ascii(i.ToString("00", CultureInfo.InvariantCulture))), end);
            }
        }

        return end;
    }

    /// <summary>A time of RFC 3339 in UTC, with up to seven digits of a second.</summary>
    private static int Time(Grammar grammar, int from)
    {
        int hour = grammar.Add();
        grammar.Byte(grammar.AnyOf(from, "01"), '0', '9', hour);
        grammar.Byte(grammar.Byte(from, '2', '2'), '0', '3', hour);
        int next = hour, end = grammar.Add();
        for (int i = 0; i < 2; i++)
        {
            next = grammar.Byte(grammar.Byte(grammar.Byte(next, ':', ':'), '0', '5'), '0', '9');
        }

        grammar.Jump(next, end);
        next = grammar.Byte(next, '.', '.');
        for (int i = 0; i < 7; i++)
        {
            next = grammar.Byte(next, '0', '9');
            grammar.Jump(next, end);
        }

        return grammar.Byte(end, 'Z', 'Z');
    }

    private static int Uuid(Grammar grammar, int from)
    {
        foreach (char place in "00000000-0000-0000-0000-000000000000")
        {
            from = grammar.AnyOf(from, place == '-' ? "-" : "0123456789abcdef");
        }

        return from;
    }

    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);
}
