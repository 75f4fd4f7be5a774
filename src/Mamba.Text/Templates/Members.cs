using System.Collections;

namespace Mamba.Text.Templates;

/// <summary>Members, items and slices of values.</summary>
internal static class Members
{
    /// <summary><c>value.name</c>: a method or member first, then an item.</summary>
    public static object? Attribute(object? value, string name)
    {
        switch (value)
        {
            case Undefined undefined:
                throw new TemplateFault($"{undefined.What} has no member \"{name}\"");
            case Loop loop:
                return loop.Member(name);
            case Namespace space:
                return space.Members.TryGetValue(name, out object? member) ? member : Missing(value, name);
            default:
                return Methods.Find(value, name) ?? Found(value, name);
        }
    }

    /// <summary><c>value[key]</c>: an item first, then a method or member.</summary>
    public static object? Item(object? value, object? key)
    {
        switch (value)
        {
            case Undefined undefined:
                throw new TemplateFault($"{undefined.What} has no item {Values.Quoted(key)}");
            case string or IList when key is long or bool:
                IReadOnlyList<object?> items = Values.Items(value);
                long index = Values.Integer(key);
                index += index < 0 ? items.Count : 0;
                return index >= 0 && index < items.Count
                    ? items[(int)index]
                    : Missing(value, $"[{Values.Quoted(key)}]");
            case TemplateMap map when map.TryGet(key, out object? item):
                return item;
            default:
                return key is string name && value is not TemplateMap ? Attribute(value, name)
                    : key is string method && Methods.Find(value, method) is { } found ? found
                    : Missing(value, $"[{Values.Quoted(key)}]");
        }
    }

    /// <summary><c>value[start:stop:step]</c>.</summary>
    public static object Slice(Rendering rendering, object? value, object? start, object? stop, object? step)
    {
        if (value is not (string or IList))
        {
            return value is Undefined
                ? throw new TemplateFault($"{Values.Kind(value)} has no slices")
                : Missing(value, "a slice");
        }

        IReadOnlyList<object?> items = Values.Items(value);
        long by = step is null ? 1 : Math.Clamp(Values.Integer(step), -items.Count - 1L, items.Count + 1L);
        if (by == 0)
        {
            throw new TemplateFault("the step of a slice is 0");
        }

        (long low, long high) = by > 0 ? (0L, (long)items.Count) : (-1L, items.Count - 1L);
        long from = Bound(start, by > 0 ? low : high, items.Count, low, high);
        long to = Bound(stop, by > 0 ? high : low, items.Count, low, high);
        List<object?> result = [];
        for (long i = from; by > 0 ? i < to : i > to; i += by)
        {
            result.Add(items[(int)i]);
        }

        rendering.Create(result.Count);
        return value is string ? string.Concat(result) : value is object?[] ? result.ToArray() : result;
    }

    private static long Bound(object? bound, long absent, int count, long low, long high)
    {
        if (bound is null)
        {
            return absent;
        }

        long index = Math.Clamp(Values.Integer(bound), -count - 1L, count + 1L);
        return Math.Clamp(index < 0 ? index + count : index, low, high);
    }

    private static object? Found(object? value, string name) =>
        value is TemplateMap map && map.TryGet(name, out object? item) ? item : Missing(value, name);

    private static Undefined Missing(object? value, string name) => new($"\"{name}\" of {Values.Kind(value)}");
}
