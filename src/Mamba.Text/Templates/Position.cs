namespace Mamba.Text.Templates;

/// <summary>A place in a template; lines and columns count from 1.</summary>
internal readonly record struct Position(int Line, int Column)
{
    /// <inheritdoc/>
    public override string ToString() => $"line {Line}, column {Column}";
}
