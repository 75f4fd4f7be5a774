using System.Globalization;
using System.Text;

namespace Mamba.Text.Templates;

/// <summary>The functions that every template has.</summary>
internal static class Globals
{
    private const long LongestRange = 100_000; // of Jinja's sandbox

    /// <summary>Adds them to the variables.</summary>
    public static void AddTo(Rendering rendering)
    {
        Scope scope = rendering.Scope;
        scope["range"] = (TemplateFunction)Range;
        scope["dict"] = (TemplateFunction)((r, arguments) => Map(r, arguments));
        scope["namespace"] = (TemplateFunction)Space;
        scope["raise_exception"] = (TemplateFunction)((_, arguments) => throw new TemplateFault(
            $"the template refuses the conversation: {Values.ToText(arguments.Next("message"))}"));
        scope["strftime_now"] = (TemplateFunction)((r, arguments) =>
            r.Created(Time(r.Options.Time.GetLocalNow(), Values.Text(arguments.Next("format")))));
    }

    private static object? Range(Rendering rendering, Arguments arguments)
    {
        long first = Values.Integer(arguments.Next("start"));
        object? second = arguments.Next("stop", null);
        long step = Values.Integer(arguments.Next("step", 1L));
        arguments.End();
        (long from, long to) = second is null ? (0, first) : (first, Values.Integer(second));
        if (step == 0)
        {
            throw new TemplateFault("the step of range is 0");
        }

        decimal count = Math.Ceiling(((decimal)to - from) / step);
        if (count > LongestRange)
        {
            throw new TemplateFault($"range has more than {LongestRange:N0} numbers");
        }

        rendering.Create((long)Math.Max(0, count));
        List<object?> numbers = [];
        for (long i = 0; i < count; i++)
        {
            numbers.Add(from + (i * step));
        }

        return numbers;
    }

    private static TemplateMap Map(Rendering rendering, Arguments arguments)
    {
        TemplateMap map = new();
        object? first = arguments.Next("mapping", null);
        foreach (KeyValuePair<object, object?> item in first is TemplateMap given ? given.Items : [])
        {
            map.Set(TemplateMap.Key(item.Key), item.Value);
        }

        if (first is not (null or TemplateMap) || arguments.Positional.Count > 1)
        {
            throw TemplateFault.Unsupported("dict of a list");
        }

        foreach ((string name, object? value) in arguments.Named)
        {
            map.Set(name, value);
        }

        rendering.Create(map.Count);
        return map;
    }

    private static object? Space(Rendering rendering, Arguments arguments)
    {
        Namespace space = new();
        foreach (KeyValuePair<object, object?> item in Map(rendering, arguments).Items)
        {
            space.Members[Values.Text(TemplateMap.Key(item.Key))] = item.Value;
        }

        return space;
    }

    private static string Time(DateTimeOffset now, string format)
    {
        StringBuilder result = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }

            string? pattern = format[++i] switch
            {
                'Y' => "yyyy",
                'm' => "MM",
                'd' => "dd",
                'B' => "MMMM",
                'b' => "MMM",
                'A' => "dddd",
                'a' => "ddd",
                'y' => "yy",
                'H' => "HH",
                'I' => "hh",
                'M' => "mm",
                'S' => "ss",
                'p' => "tt",
                _ => null,
            };
            _ = format[i] switch
            {
                '%' => result.Append('%'),
                'j' => result.Append(now.DayOfYear.ToString("D3", CultureInfo.InvariantCulture)),
                char other => result.Append(now.ToString(
                    pattern ?? throw TemplateFault.Unsupported($"\"%{other}\" of strftime_now"),
                    CultureInfo.InvariantCulture)),
            };
        }

        return result.ToString();
    }
}
