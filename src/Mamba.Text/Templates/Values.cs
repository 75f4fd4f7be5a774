using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Mamba.Text.Templates;

/// <summary>
/// Values as Python has them: null, bool, long, double, string, lists (<see cref="List{T}"/>), tuples (arrays),
/// <see cref="TemplateMap"/>, <see cref="Namespace"/>, <see cref="Loop"/>, <see cref="TemplateFunction"/> and
/// <see cref="Undefined"/>.
/// </summary>
internal static class Values
{
    private const int MaxDepth = 64;

    /// <summary>A value of a caller as one of a template.</summary>
    public static object? From(object? value, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"a variable is nested more than {MaxDepth} deep");
        }

        switch (value)
        {
            case null or bool or long or double or string or TemplateFunction:
                return value;
            case int or short or byte or uint:
                return Convert.ToInt64(value, CultureInfo.InvariantCulture);
            case float or decimal:
                return Convert.ToDouble(value, CultureInfo.InvariantCulture);
            case JsonElement element:
                try
                {
                    return FromJson(element, depth);
                }
                catch (InvalidOperationException) // half of a surrogate pair, or bytes that are no UTF-8
                {
                    throw new TemplateFault("a variable has text that is no valid Unicode");
                }

            case IReadOnlyDictionary<string, object?> map:
                return Map(map.Select(item => (item.Key, item.Value)), depth);
            case IReadOnlyDictionary<string, string> map:
                return Map(map.Select(item => (item.Key, (object?)item.Value)), depth);
            case ChatTemplateMessage message:
                return Map(message.AllMembers(), depth);
            case IEnumerable list:
                return list.Cast<object?>().Select(item => From(item, depth + 1)).ToList();
            default:
                throw new TemplateFault($"a variable has the type {value.GetType()}, which templates do not have");
        }
    }

    /// <summary>What kind of value it is, for messages.</summary>
    public static string Kind(object? value) => value switch
    {
        null => "none",
        bool => "a boolean",
        long => "an integer",
        double => "a number",
        string => "text",
        List<object?> => "a list",
        object?[] => "a tuple",
        TemplateMap => "a dictionary",
        Undefined undefined => undefined.What,
        TemplateFunction => "a function",
        _ => "a " + value.GetType().Name.ToLowerInvariant(),
    };

    /// <summary>Whether it counts as true.</summary>
    public static bool Truth(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        IList list => list.Count > 0,
        TemplateMap map => map.Count > 0,
        _ => true,
    };

    /// <summary>Whether two values are equal.</summary>
    public static bool Equal(object? x, object? y, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"values nested more than {MaxDepth} deep are compared");
        }

        return (x, y) switch
        {
            (string a, string b) => a == b,
            (Undefined, Undefined) or (null, null) => true,
            (bool or long, bool or long) => Integer(x) == Integer(y),
            (bool or long or double, bool or long or double) => Number(x) == Number(y),
            (List<object?> a, List<object?> b) => SameItems(a, b, depth),
            (object?[] a, object?[] b) => SameItems(a, b, depth),
            (TemplateMap a, TemplateMap b) => a.Count == b.Count && a.Items.All(
                item => b.TryGet(TemplateMap.Key(item.Key), out object? other) && Equal(item.Value, other, depth + 1)),
            _ => ReferenceEquals(x, y),
        };
    }

    /// <summary>The order of two values.</summary>
    public static int Compare(object? x, object? y) => (x, y) switch
    {
        (string a, string b) => string.CompareOrdinal(a, b),
        (bool or long, bool or long) => Integer(x).CompareTo(Integer(y)),
        (bool or long or double, bool or long or double) => Number(x).CompareTo(Number(y)),
        _ => throw new TemplateFault($"{Kind(x)} and {Kind(y)} have no order"),
    };

    /// <summary>Whether it is a number; booleans are.</summary>
    public static bool IsNumber(object? value) => value is bool or long or double;

    /// <summary>An integer or boolean as an integer.</summary>
    public static long Integer(object? value) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => throw new TemplateFault($"an integer was expected, but {Kind(value)} was found"),
    };

    /// <summary>A number or boolean as a number.</summary>
    public static double Number(object? value) => value is double number ? number : Integer(value);

    /// <summary>Text, of text.</summary>
    public static string Text(object? value) => value is string text
        ? text
        : throw new TemplateFault($"text was expected, but {Kind(value)} was found");

    /// <summary>How many characters, items or keys there are.</summary>
    public static long Length(object? value) => value switch
    {
        string text => IsPlain(text) ? text.Length : text.EnumerateRunes().Count(),
        IList list => list.Count,
        TemplateMap map => map.Count,
        Undefined => 0,
        _ => throw new TemplateFault($"{Kind(value)} has no length"),
    };

    /// <summary>The items of a list, the characters of a text, or the keys of a dictionary.</summary>
    public static IReadOnlyList<object?> Items(object? value) => value switch
    {
        List<object?> list => list,
        object?[] tuple => tuple,
        string text => [.. text.EnumerateRunes().Select(rune => rune.ToString())],
        TemplateMap map => [.. map.Items.Select(item => TemplateMap.Key(item.Key))],
        Undefined => [],
        _ => throw new TemplateFault($"{Kind(value)} has no items"),
    };

    /// <summary>The text of a value where it is written out.</summary>
    public static string ToText(object? value) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Quoted(value),
    };

    /// <summary>The text of a value inside of a list.</summary>
    public static string Quoted(object? value, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"values nested more than {MaxDepth} deep are written out");
        }

        return value switch
        {
            null => "None",
            bool flag => flag ? "True" : "False",
            long number => number.ToString(CultureInfo.InvariantCulture),
            double number => Digits(number),
            string text => Quoted(text),
            Undefined => "Undefined",
            List<object?> list => $"[{string.Join(", ", list.Select(item => Quoted(item, depth + 1)))}]",
            object?[] { Length: 1 } tuple => $"({Quoted(tuple[0], depth + 1)},)",
            object?[] tuple => $"({string.Join(", ", tuple.Select(item => Quoted(item, depth + 1)))})",
            TemplateMap map => "{" + string.Join(", ", map.Items.Select(
                item => $"{Quoted(TemplateMap.Key(item.Key))}: {Quoted(item.Value, depth + 1)}")) + "}",
            _ => throw TemplateFault.Unsupported($"{Kind(value)} as text"),
        };
    }

    /// <summary>A number as Python writes it: the shortest digits that give it back.</summary>
    public static string Digits(double number)
    {
        if (!double.IsFinite(number))
        {
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        }

        string text = number.ToString("R", CultureInfo.InvariantCulture);
        int e = text.IndexOf('E');
        if (number == 0 || Math.Abs(number) is >= 1e-4 and < 1e16)
        {
            // .NET writes 1E-05 and 1E+15; Python writes the first like this too, and the second with all its digits.
            text = e < 0 ? text : number.ToString("F20", CultureInfo.InvariantCulture).TrimEnd('0').TrimEnd('.');
            return text.Contains('.') ? text : text + ".0";
        }

        text = e < 0 ? number.ToString("0.################E+00", CultureInfo.InvariantCulture) : text;
        e = text.IndexOf('E');
        string exponent = text[(e + 2)..].TrimStart('0').PadLeft(2, '0');
        return $"{text[..e]}e{text[e + 1]}{exponent}";
    }

    /// <summary>Whether every character is one UTF-16 unit.</summary>
    public static bool IsPlain(string text) => !text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');

    private static string Quoted(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        StringBuilder result = new();
        result.Append(quote);
        foreach (Rune rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\\' => result.Append("\\\\"),
                < 0x20 or (>= 0x7F and < 0xA1) or 0xAD => result.Append($"\\x{rune.Value:x2}"),
                int code when code == quote => result.Append('\\').Append(quote),
                _ => result.Append(rune.ToString()),
            };
        }

        return result.Append(quote).ToString();
    }

    private static bool SameItems(IList<object?> a, IList<object?> b, int depth)
    {
        if (a.Count != b.Count)
        {
            return false;
        }

        for (int i = 0; i < a.Count; i++)
        {
            if (!Equal(a[i], b[i], depth + 1))
            {
                return false;
            }
        }

        return true;
    }

    private static TemplateMap Map(IEnumerable<(string Name, object? Value)> members, int depth)
    {
        TemplateMap map = new();
        foreach ((string name, object? value) in members)
        {
            map.Set(name, From(value, depth + 1));
        }

        return map;
    }

    private static object? FromJson(JsonElement element, int depth) => element.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out long number) ? (object)number : element.GetDouble(),
        JsonValueKind.Array => element.EnumerateArray().Select(item => From(item, depth + 1)).ToList(),
        _ => Map(element.EnumerateObject().Select(member => (member.Name, (object?)member.Value)), depth),
    };
}
