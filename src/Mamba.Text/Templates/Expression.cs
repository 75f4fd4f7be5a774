namespace Mamba.Text.Templates;

/// <summary>An expression, compiled: computes its value.</summary>
internal delegate object? Expression(Rendering rendering);
