using System.Text;

namespace Mamba.Text.Templates;

/// <summary>The methods of texts, lists and dictionaries.</summary>
internal static class Methods
{
    private static readonly Dictionary<string, Func<string, Rendering, Arguments, object?>> _ofText = new()
    {
        ["strip"] = (text, _, a) => Strip(text, a.Next("chars", null), left: true, right: true),
        ["lstrip"] = (text, _, a) => Strip(text, a.Next("chars", null), left: true, right: false),
        ["rstrip"] = (text, _, a) => Strip(text, a.Next("chars", null), left: false, right: true),
        ["split"] = (text, r, a) => Split(r, text, a.Next("sep", null), Values.Integer(a.Next("maxsplit", -1L))),
        ["rsplit"] = (text, r, a) =>
            SplitFromEnd(r, text, Values.Text(a.Next("sep")), Values.Integer(a.Next("maxsplit", -1L))),
        ["splitlines"] = (text, r, _) => Lines(r, text),
        ["startswith"] = (text, _, a) =>
            Any(a.Next("prefix"), prefix => text.StartsWith(prefix, StringComparison.Ordinal)),
        ["endswith"] = (text, _, a) =>
            Any(a.Next("suffix"), suffix => text.EndsWith(suffix, StringComparison.Ordinal)),
        ["removeprefix"] = (text, _, a) => Values.Text(a.Next("prefix")) is var prefix &&
            text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text,
        ["removesuffix"] = (text, _, a) => Values.Text(a.Next("suffix")) is var suffix && suffix.Length > 0 &&
            text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        ["replace"] = (text, r, a) => Replace(
            r, text, Values.Text(a.Next("old")), Values.Text(a.Next("new")), Values.Integer(a.Next("count", -1L))),
        ["upper"] = (text, r, _) => r.Created(text.ToUpperInvariant()),
        ["lower"] = (text, r, _) => r.Created(text.ToLowerInvariant()),
        ["title"] = (text, r, _) => r.Created(Title(text)),
        ["capitalize"] = (text, r, _) => r.Created(Capitalized(text)),
        ["join"] = (text, r, a) => Joined(r, Values.Items(a.Next("iterable")).Select(Values.Text), text),
        ["find"] = (text, _, a) => Place(text, text.IndexOf(Values.Text(a.Next("sub")), StringComparison.Ordinal)),
        ["rfind"] = (text, _, a) => Place(text, text.LastIndexOf(Values.Text(a.Next("sub")), StringComparison.Ordinal)),
        ["count"] = (text, _, a) => Count(text, Values.Text(a.Next("sub"))),
        ["isdigit"] = (text, _, _) => text.Length > 0 && text.EnumerateRunes().All(Rune.IsDigit),
        ["isalpha"] = (text, _, _) => text.Length > 0 && text.EnumerateRunes().All(Rune.IsLetter),
        ["isalnum"] = (text, _, _) => text.Length > 0 && text.EnumerateRunes().All(Rune.IsLetterOrDigit),
        ["isspace"] = (text, _, _) => text.Length > 0 && text.All(IsSpace),
        ["isupper"] = (text, _, _) => text.Any(char.IsUpper) && !text.Any(char.IsLower),
        ["islower"] = (text, _, _) => text.Any(char.IsLower) && !text.Any(char.IsUpper),
    };

    /// <summary>The method of a value; null if the name is none.</summary>
    /// <exception cref="TemplateFault">Python has the method; this library does not.</exception>
    public static TemplateFunction? Find(object? value, string name) => value switch
    {
        string text => _ofText.TryGetValue(name, out Func<string, Rendering, Arguments, object?>? method)
            ? Ended((rendering, arguments) => method(text, rendering, arguments))
            : Refused(value, name, "center casefold encode expandtabs format format_map index isascii isdecimal " +
                "isidentifier isnumeric isprintable istitle ljust maketrans partition rindex rjust rpartition " +
                "swapcase translate zfill"),
        List<object?> or object?[] => OfList(Values.Items(value), name),
        TemplateMap map => OfMap(map, name),
        _ => null,
    };

    /// <summary>White space of Python: that of Unicode and four separators of ASCII.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F';

    /// <summary>A text without some characters at its ends; null: white space.</summary>
    public static string Strip(string text, object? characters, bool left, bool right)
    {
        string? set = characters is null ? null : Values.Text(characters);
        Func<char, bool> strips = c => set?.Contains(c) ?? IsSpace(c);
        int from = 0, to = text.Length;
        while (left && from < to && strips(text[from]))
        {
            from++;
        }

        while (right && to > from && strips(text[to - 1]))
        {
            to--;
        }

        return text[from..to];
    }

    /// <summary>A text with some of its parts, or all (-1), replaced.</summary>
    public static string Replace(Rendering rendering, string text, string old, string by, long count)
    {
        int times = old.Length == 0 ? text.Length + 1 : (int)Count(text, old);
        times = count < 0 ? times : (int)Math.Min(times, count);
        rendering.Create(text.Length + ((long)times * by.Length));
        StringBuilder result = new(text.Length);
        int done = 0;
        for (int i = 0; i < times; i++)
        {
            int at = old.Length == 0 ? i : text.IndexOf(old, done, StringComparison.Ordinal);
            result.Append(text, done, at - done).Append(by);
            done = at + old.Length;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    /// <summary>The first character in upper case and the others in lower case.</summary>
    public static string Capitalized(string text) =>
        text.Length == 0 ? text : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    /// <summary>Texts with another one between them.</summary>
    public static string Joined(Rendering rendering, IEnumerable<string> texts, string between)
    {
        StringBuilder result = new();
        bool isFirst = true;
        foreach (string text in texts)
        {
            rendering.Create(text.Length + between.Length);
            _ = isFirst ? result.Append(text) : result.Append(between).Append(text);
            isFirst = false;
        }

        return result.ToString();
    }

    // Arguments that a method has not read are an error, not nothing.
    private static TemplateFunction Ended(TemplateFunction function) => (rendering, arguments) =>
    {
        object? result = function(rendering, arguments);
        arguments.End();
        return result;
    };

    private static TemplateFunction? Refused(object? value, string name, string methods) =>
        methods.Split(' ').Contains(name)
            ? throw TemplateFault.Unsupported($"the method \"{name}\" of {Values.Kind(value)}")
            : null;

    private static TemplateFunction? OfList(IReadOnlyList<object?> items, string name) => name switch
    {
        "count" => Ended((_, a) =>
        {
            object? value = a.Next("value");
            return (long)items.Count(item => Values.Equal(item, value));
        }),
        "index" => Ended((_, a) => IndexOf(items, a.Next("value"))),
        _ => Refused(items, name, "append clear copy extend insert pop remove reverse sort"),
    };

    private static TemplateFunction? OfMap(TemplateMap map, string name) => name switch
    {
        "items" => Ended((r, _) => Counted(r, map.Items.Select(
            item => (object?)new object?[] { TemplateMap.Key(item.Key), item.Value }))),
        "keys" => Ended((r, _) => Counted(r, map.Items.Select(item => TemplateMap.Key(item.Key)))),
        "values" => Ended((r, _) => Counted(r, map.Items.Select(item => item.Value))),
        "get" => Ended((_, a) =>
        {
            (object? key, object? fallback) = (a.Next("key"), a.Next("default", null));
            return map.TryGet(key, out object? value) ? value : fallback;
        }),
        _ => map.TryGet(name, out _) ? null : Refused(map, name, "clear copy fromkeys pop popitem setdefault update"),
    };

    private static List<object?> Counted(Rendering rendering, IEnumerable<object?> items)
    {
        List<object?> list = [.. items];
        rendering.Create(list.Count);
        return list;
    }

    private static long IndexOf(IReadOnlyList<object?> items, object? value)
    {
        for (int i = 0; i < items.Count; i++)
        {
            if (Values.Equal(items[i], value))
            {
                return i;
            }
        }

        throw new TemplateFault($"{Values.Quoted(value)} is not in the list");
    }

    private static bool Any(object? texts, Func<string, bool> holds) =>
        texts is object?[] tuple ? tuple.Any(text => holds(Values.Text(text))) : holds(Values.Text(texts));

    private static List<object?> Split(Rendering rendering, string text, object? separator, long most)
    {
        rendering.Create(text.Length + 1L);
        int parts = most is < 0 or >= int.MaxValue ? int.MaxValue : (int)most + 1;
        if (separator is not null)
        {
            string by = Values.Text(separator);
            return by.Length > 0
                ? [.. text.Split(by, parts)]
                : throw new TemplateFault("text is split by an empty text");
        }

        List<object?> words = [];
        for (int at = 0; ;)
        {
            while (at < text.Length && IsSpace(text[at]))
            {
                at++;
            }

            if (at == text.Length)
            {
                return words;
            }

            int end = at;
            while (end < text.Length && (words.Count == parts - 1 || !IsSpace(text[end])))
            {
                end++;
            }

            words.Add(words.Count == parts - 1 ? Strip(text[at..], null, left: false, right: true) : text[at..end]);
            at = end;
        }
    }

    private static List<object?> SplitFromEnd(Rendering rendering, string text, string by, long most)
    {
        if (by.Length == 0)
        {
            throw new TemplateFault("text is split by an empty text");
        }

        rendering.Create(text.Length + 1L);
        List<object?> parts = [];
        int end = text.Length;
        while (parts.Count != most && end > 0 &&
            text.LastIndexOf(by, end - 1, StringComparison.Ordinal) is >= 0 and int at && at + by.Length <= end)
        {
            parts.Insert(0, text[(at + by.Length)..end]);
            end = at;
        }

        parts.Insert(0, text[..end]);
        return parts;
    }

    private static List<object?> Lines(Rendering rendering, string text)
    {
        rendering.Create(text.Length);
        List<object?> lines = [.. text.ReplaceLineEndings("\n").Split('\n')];
        if (lines[^1] is "")
        {
            lines.RemoveAt(lines.Count - 1);
        }

        return lines;
    }

    private static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool follows = i > 0 && char.IsLetter(text[i - 1]);
            result.Append(follows ? char.ToLowerInvariant(text[i]) : char.ToUpperInvariant(text[i]));
        }

        return result.ToString();
    }

    private static long Count(string text, string part)
    {
        if (part.Length == 0)
        {
            return Values.Length(text) + 1;
        }

        long count = 0;
        for (int at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
        {
            count++;
        }

        return count;
    }

    // Python counts characters, not UTF-16 units.
    private static long Place(string text, int at) => at <= 0 ? at : Values.Length(text[..at]);
}
