using System.Text;

namespace Mamba.Text.Templates;

/// <summary>
/// JSON as Python's <c>json.dumps</c> writes it with <c>ensure_ascii=False</c>, which is what <c>tojson</c> does.
/// </summary>
internal static class JsonText
{
    /// <summary>The text of a value.</summary>
    public static string Write(
        object? value, string? indent, string itemSeparator, string keySeparator, bool sortKeys, int depth = 0)
    {
        if (depth > 64)
        {
            throw new TemplateFault("values nested more than 64 deep are written as JSON");
        }

        string Inner(object? inner) => Write(inner, indent, itemSeparator, keySeparator, sortKeys, depth + 1);
        switch (value)
        {
            case null:
                return "null";
            case bool flag:
                return flag ? "true" : "false";
            case double number:
                return double.IsFinite(number) ? Values.Digits(number)
                    : double.IsNaN(number) ? "NaN"
                    : number > 0 ? "Infinity" : "-Infinity";
            case long:
                return Values.Quoted(value);
            case string text:
                return Text(text);
            case List<object?> or object?[]:
                return Block("[", Values.Items(value).Select(Inner), "]", indent, itemSeparator, depth);
            case TemplateMap map:
                IEnumerable<(string Key, object? Value)> members =
                    map.Items.Select(item => (Key(TemplateMap.Key(item.Key)), item.Value));
                members = sortKeys ? members.OrderBy(member => member.Key, StringComparer.Ordinal) : members;
                IEnumerable<string> texts =
                    members.Select(member => $"{Text(member.Key)}{keySeparator}{Inner(member.Value)}");
                return Block("{", texts, "}", indent, itemSeparator, depth);
            default:
                throw new TemplateFault($"{Values.Kind(value)} cannot be written as JSON");
        }
    }

    private static string Key(object? key) => key is string text ? text : Write(key, null, ", ", ": ", false);

    private static string Block(
        string open, IEnumerable<string> parts, string close, string? indent, string separator, int depth)
    {
        string[] all = [.. parts];
        if (indent is null || all.Length == 0)
        {
            return $"{open}{string.Join(separator, all)}{close}";
        }

        string line = "\n" + string.Concat(Enumerable.Repeat(indent, depth));
        return $"{open}{line}{indent}{string.Join(separator + line + indent, all)}{line}{close}";
    }

    private static string Text(string text)
    {
        StringBuilder result = new("\"", text.Length + 2);
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => result.Append("\\\""),
                '\\' => result.Append("\\\\"),
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\b' => result.Append("\\b"),
                '\f' => result.Append("\\f"),
                < ' ' => result.Append($"\\u{(int)c:x4}"),
                _ => result.Append(c),
            };
        }

        return result.Append('"').ToString();
    }
}
