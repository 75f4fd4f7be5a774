using System.Globalization;
using System.Text;

namespace Mamba.Text.Templates;

/// <summary>The filters: functions that are called by <c>value | name(arguments)</c>.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Func<Rendering, object?, Arguments, object?>> _all = new()
    {
        ["default"] = Default,
        ["d"] = Default,
        ["trim"] = (r, v, a) => Methods.Strip(Values.ToText(v), a.Next("chars", null), left: true, right: true),
        ["upper"] = (r, v, _) => r.Created(Values.ToText(v).ToUpperInvariant()),
        ["lower"] = (r, v, _) => r.Created(Values.ToText(v).ToLowerInvariant()),
        ["capitalize"] = (r, v, _) => r.Created(Methods.Capitalized(Values.ToText(v))),
        ["title"] = (r, v, _) => r.Created(Title(Values.ToText(v))),
        ["string"] = (r, v, _) => r.Created(Values.ToText(v)),
        ["safe"] = (_, v, _) => v,
        ["length"] = (_, v, _) => Values.Length(v),
        ["count"] = (_, v, _) => Values.Length(v),
        ["first"] = (_, v, _) => Values.Items(v) is [var first, ..] ? first : new Undefined("the first of no items"),
        ["last"] = (_, v, _) => Values.Items(v) is [.., var last] ? last : new Undefined("the last of no items"),
        ["list"] = (r, v, _) => Listed(r, Values.Items(v)),
        ["items"] = (r, v, _) => v is Undefined ? new List<object?>()
            : v is TemplateMap ? Methods.Find(v, "items")!(r, new("items", [], []))
            : throw new TemplateFault($"{Values.Kind(v)} has no items of keys and values"),
        ["reverse"] = (r, v, _) => v is string text
            ? r.Created(string.Concat(Values.Items(text).Reverse()))
            : Listed(r, Values.Items(v).Reverse()),
        ["join"] = Join,
        ["replace"] = (r, v, a) => Methods.Replace(
            r, Values.ToText(v), Values.Text(a.Next("old")), Values.Text(a.Next("new")),
            a.Next("count", null) is { } count ? Values.Integer(count) : -1),
        ["tojson"] = ToJson,
        ["int"] = (_, v, a) => ToInteger(v, a.Next("default", 0L)),
        ["float"] = (_, v, a) => ToNumber(v, a.Next("default", 0.0)),
        ["abs"] = (_, v, _) => v is double number
            ? (object)Math.Abs(number)
            : Math.Abs(Math.Max(Values.Integer(v), -long.MaxValue)),
        ["round"] = Round,
        ["min"] = (_, v, a) => Extreme(v, a, -1),
        ["max"] = (_, v, a) => Extreme(v, a, 1),
        ["sum"] = Sum,
        ["sort"] = Sort,
        ["unique"] = Unique,
        ["dictsort"] = (r, v, _) => v is TemplateMap map
            ? Sorted(
                r, map.Items.Select(item => (object?)new[] { TemplateMap.Key(item.Key), item.Value }),
                pair => ((object?[])pair!)[0], Order)
            : throw new TemplateFault($"{Values.Kind(v)} is no dictionary"),
        ["map"] = Map,
        ["select"] = (r, v, a) => Select(r, v, a, item => item, true),
        ["reject"] = (r, v, a) => Select(r, v, a, item => item, false),
        ["selectattr"] = (r, v, a) => Select(r, v, a, Path(a.Next("attribute")), true),
        ["rejectattr"] = (r, v, a) => Select(r, v, a, Path(a.Next("attribute")), false),
        ["indent"] = Indent,
    };

    /// <summary>The filter of a name.</summary>
    public static Func<Rendering, object?, Arguments, object?> Find(string name) =>
        _all.TryGetValue(name, out Func<Rendering, object?, Arguments, object?>? filter)
            ? (rendering, value, arguments) =>
            {
                object? result = filter(rendering, value, arguments);
                arguments.End();
                return result;
            }
            : throw TemplateFault.Unsupported($"the filter \"{name}\"");

    private static object? Default(Rendering rendering, object? value, Arguments arguments)
    {
        object? fallback = arguments.Next("default_value", "");
        bool ofFalse = Values.Truth(arguments.Next("boolean", false));
        return value is Undefined || (ofFalse && !Values.Truth(value)) ? fallback : value;
    }

    private static List<object?> Listed(Rendering rendering, IEnumerable<object?> items)
    {
        List<object?> list = [.. items];
        rendering.Create(list.Count);
        return list;
    }

    // Other than the method: words begin after spaces, hyphens and opening brackets alone.
    private static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool begins = i == 0 || Methods.IsSpace(text[i - 1]) || text[i - 1] is '-' or '(' or '{' or '[' or '<';
            result.Append(begins ? char.ToUpperInvariant(text[i]) : char.ToLowerInvariant(text[i]));
        }

        return result.ToString();
    }

    private static string Join(Rendering rendering, object? value, Arguments arguments)
    {
        string between = Values.ToText(arguments.Next("d", ""));
        Func<object?, object?> path = PathOf(arguments);
        return Methods.Joined(rendering, Values.Items(value).Select(item => Values.ToText(path(item))), between);
    }

    private static string ToJson(Rendering rendering, object? value, Arguments arguments)
    {
        // The order is that of the function which Hugging Face puts in the place of Jinja's.
        bool asciiOnly = Values.Truth(arguments.Next("ensure_ascii", false));
        object? indent = arguments.Next("indent", null), separators = arguments.Next("separators", null);
        bool sorts = Values.Truth(arguments.Next("sort_keys", false));
        if (asciiOnly)
        {
            throw TemplateFault.Unsupported("tojson with ensure_ascii");
        }

        string? step = indent switch
        {
            null => null,
            string text => text,
            _ => new string(' ', (int)Math.Clamp(Values.Integer(indent), 0, 100)),
        };
        (string item, string key) = separators is null ? (step is null ? ", " : ",", ": ")
            : Values.Items(separators) is [string first, string second] ? (first, second)
            : throw new TemplateFault("the separators of tojson are not two texts");
        return rendering.Created(JsonText.Write(value, step, item, key, sorts));
    }

    private static object? ToInteger(object? value, object? fallback) => value switch
    {
        long or bool => Values.Integer(value),
        double number when Math.Abs(number) < 9e18 => (long)number,
        string text when long.TryParse(
            text.Trim().Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture, out long number) => number,
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) &&
            Math.Abs(number) < 9e18 => (long)number,
        _ => fallback,
    };

    private static object? ToNumber(object? value, object? fallback) => value switch
    {
        double or long or bool => Values.Number(value),
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) =>
            number,
        _ => fallback,
    };

    private static object? Round(Rendering rendering, object? value, Arguments arguments)
    {
        long places = Values.Integer(arguments.Next("precision", 0L));
        string method = Values.Text(arguments.Next("method", "common"));
        if (places is < 0 or > 15)
        {
            throw TemplateFault.Unsupported($"rounding to {places} places");
        }

        double scale = Math.Pow(10, places), number = Values.Number(value);
        return method switch
        {
            "common" when value is not double => (object)Values.Integer(value),
            "common" => Math.Round(number, (int)places, MidpointRounding.ToEven),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new TemplateFault($"\"{method}\" is no way of rounding"),
        };
    }

    // Text without regard to case, as Jinja has it by default.
    private static int Order(object? x, object? y) => (x, y) is (string a, string b)
        ? string.CompareOrdinal(a.ToLowerInvariant(), b.ToLowerInvariant())
        : Values.Compare(x, y);

    private static object? Extreme(object? value, Arguments arguments, int sign)
    {
        Func<object?, object?> path = PathOf(arguments);
        object? best = new Undefined("the extreme of no items");
        foreach (object? item in Values.Items(value))
        {
            best = best is Undefined || Order(path(item), path(best)) * sign > 0 ? item : best;
        }

        return best;
    }

    private static object? Sum(Rendering rendering, object? value, Arguments arguments)
    {
        Func<object?, object?> path = PathOf(arguments);
        return Values.Items(value).Aggregate(
            arguments.Next("start", 0L), (sum, item) => Operators.Apply(rendering, "+", sum, path(item)));
    }

    private static List<object?> Sort(Rendering rendering, object? value, Arguments arguments)
    {
        bool isReversed = Values.Truth(arguments.Next("reverse", false));
        bool isExact = Values.Truth(arguments.Next("case_sensitive", false));
        Func<object?, object?> path = PathOf(arguments);
        return Sorted(
            rendering, Values.Items(value), path,
            (x, y) => (isExact ? Values.Compare(x, y) : Order(x, y)) * (isReversed ? -1 : 1));
    }

    private static List<object?> Sorted(
        Rendering rendering, IEnumerable<object?> items, Func<object?, object?> key, Comparison<object?> order)
    {
        try
        {
            return Listed(rendering, items.OrderBy(key, Comparer<object?>.Create(order)));
        }
        catch (InvalidOperationException exception) when (exception.InnerException is TemplateFault fault)
        {
            throw fault;
        }
    }

    private static List<object?> Unique(Rendering rendering, object? value, Arguments arguments)
    {
        List<object?> found = [];
        foreach (object? item in Values.Items(value))
        {
            rendering.Create(found.Count);
            if (!found.Any(other => (item, other) is (string a, string b)
                ? a.Equals(b, StringComparison.OrdinalIgnoreCase)
                : Values.Equal(item, other)))
            {
                found.Add(item);
            }
        }

        return found;
    }

    private static List<object?> Map(Rendering rendering, object? value, Arguments arguments)
    {
        IReadOnlyList<object?> items = Values.Items(value);
        rendering.Create(items.Count);
        if (arguments.Named.Count > 0)
        {
            Func<object?, object?> path = Path(arguments.Next("attribute"));
            object? fallback = arguments.Next("default", new Undefined("an item without the attribute"));
            return items.Select(item => path(item) is var found && found is Undefined ? fallback : found).ToList();
        }

        string name = Values.Text(arguments.Next("filter"));
        Func<Rendering, object?, Arguments, object?> filter = Find(name);
        List<object?> rest = Rest(arguments);
        return items.Select(item => filter(rendering, item, new(name, rest, []))).ToList();
    }

    private static List<object?> Select(
        Rendering rendering, object? value, Arguments arguments, Func<object?, object?> path, bool keeps)
    {
        string? test = arguments.Next("test", null) is { } name ? Values.Text(name) : null;
        Func<object?, Arguments, bool> holds = test is null ? (item, _) => Values.Truth(item) : Tests.Find(test);
        List<object?> rest = Rest(arguments);
        return Listed(rendering, Values.Items(value).Where(
            item => holds(path(item), new(test ?? "", rest, [])) == keeps));
    }

    private static List<object?> Rest(Arguments arguments)
    {
        List<object?> rest = [];
        object end = new();
        while (arguments.Next("", end) is var next && !ReferenceEquals(next, end))
        {
            rest.Add(next);
        }

        return rest;
    }

    // The argument "attribute"; without it the item itself.
    private static Func<object?, object?> PathOf(Arguments arguments) =>
        arguments.Next("attribute", null) is { } attribute ? Path(attribute) : item => item;

    // "a.b.0": members or items, one after another.
    private static Func<object?, object?> Path(object? attribute)
    {
        object[] names = attribute is string text
            ? [.. text.Split('.').Select(part => long.TryParse(part, out long index) ? (object)index : part)]
            : [Values.Integer(attribute)];
        return item => names.Aggregate(item, (value, name) => value is Undefined ? value : Members.Item(value, name));
    }

    private static string Indent(Rendering rendering, object? value, Arguments arguments)
    {
        object? width = arguments.Next("width", 4L);
        bool first = Values.Truth(arguments.Next("first", false)), blank = Values.Truth(arguments.Next("blank", false));
        string by = width is string text ? text : new string(' ', (int)Math.Clamp(Values.Integer(width), 0, 1000));
        string[] lines = Values.ToText(value).Split('\n');
        rendering.Create((long)by.Length * lines.Length);
        for (int i = first ? 0 : 1; i < lines.Length; i++)
        {
            lines[i] = blank || lines[i].Length > 0 ? by + lines[i] : lines[i];
        }

        return rendering.Created(string.Join('\n', lines));
    }
}
