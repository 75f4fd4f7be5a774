namespace Mamba.Layers;

/// <summary>Writes the initial values of a parameter.</summary>
/// <param name="values">The span to fill, row-major.</param>
/// <example>
/// <code>
/// Initializer ones = values =&gt; values.Fill(1);
/// </code>
/// </example>
public delegate void Initializer(Span<float> values);
