namespace Mamba.Text.Templates;

/// <summary>The result of <c>namespace()</c>: members that inner scopes may set.</summary>
internal sealed class Namespace
{
    /// <summary>The members.</summary>
    public Dictionary<string, object?> Members { get; } = new(StringComparer.Ordinal);
}
