namespace Mamba.Text.Templates;

/// <summary>
/// A dictionary of a template, in the order of insertion; keys are equal as Python has it: 1 is 1.0 is true.
/// </summary>
internal sealed class TemplateMap
{
    private readonly OrderedDictionary<object, object?> _items = new(KeyComparer.Instance);

    /// <summary>The keys and values.</summary>
    public IEnumerable<KeyValuePair<object, object?>> Items => _items;

    /// <summary>How many there are.</summary>
    public int Count => _items.Count;

    /// <summary>The value of a key.</summary>
    public bool TryGet(object? key, out object? value)
    {
        value = null;
        return key is null or bool or long or double or string && _items.TryGetValue(Boxed(key), out value);
    }

    /// <summary>Sets the value of a key.</summary>
    public void Set(object? key, object? value) => _items[Boxed(key)] = value;

    /// <summary>A key as callers see it.</summary>
    public static object? Key(object boxed) => boxed is KeyComparer ? null : boxed;

    // None is a key too.
    private static object Boxed(object? key) => key switch
    {
        null => KeyComparer.Instance,
        bool or long or double or string => key,
        _ => throw new TemplateFault($"{Values.Kind(key)} cannot be a key"),
    };

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static readonly KeyComparer Instance = new();

        public new bool Equals(object? x, object? y) =>
            x is KeyComparer || y is KeyComparer ? ReferenceEquals(x, y) : Values.Equal(x, y);

        public int GetHashCode(object obj) => obj switch
        {
            bool flag => flag ? 1.0.GetHashCode() : 0.0.GetHashCode(),
            long number => ((double)number).GetHashCode(),
            _ => obj.GetHashCode(),
        };
    }
}
