namespace Mamba.Text.Templates;

/// <summary>The arguments of a call.</summary>
/// <param name="function">What is called, for messages.</param>
/// <param name="positional">Those by position.</param>
/// <param name="named">Those by name.</param>
internal sealed class Arguments(string function, List<object?> positional, Dictionary<string, object?> named)
{
    private int _used, _usedNames;

    /// <summary>What is called.</summary>
    public string Function => function;

    /// <summary>All by position.</summary>
    public IReadOnlyList<object?> Positional => positional;

    /// <summary>All by name.</summary>
    public IReadOnlyDictionary<string, object?> Named => named;

    /// <summary>The next argument, by position or by its name.</summary>
    public object? Next(string name) => TryNext(name, out object? value)
        ? value
        : throw new TemplateFault($"{function} needs the argument \"{name}\"");

    /// <summary>The next argument, or a value if it is absent.</summary>
    public object? Next(string name, object? fallback) => TryNext(name, out object? value) ? value : fallback;

    /// <summary>No other arguments may be left.</summary>
    public void End()
    {
        if (_used < positional.Count || _usedNames < named.Count)
        {
            throw TemplateFault.Unsupported($"so many arguments of {function}, or one of that name,");
        }
    }

    private bool TryNext(string name, out object? value)
    {
        if (_used < positional.Count)
        {
            value = positional[_used++];
            return true;
        }

        bool isNamed = named.TryGetValue(name, out value);
        _usedNames += isNamed ? 1 : 0;
        return isNamed;
    }
}
