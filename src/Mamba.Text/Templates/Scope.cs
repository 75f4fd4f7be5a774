namespace Mamba.Text.Templates;

/// <summary>Variables, and the scope around them.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _variables = new(StringComparer.Ordinal);

    /// <summary>The value of a name; undefined if there is none.</summary>
    public object? this[string name]
    {
        get
        {
            for (Scope? scope = this; scope is not null; scope = scope.Outer)
            {
                if (scope._variables.TryGetValue(name, out object? value))
                {
                    return value;
                }
            }

            return new Undefined($"\"{name}\", which is not defined,");
        }

        set => _variables[name] = value;
    }

    /// <summary>The scope around this one.</summary>
    public Scope? Outer => outer;
}
