namespace Mamba.Layers;

/// <summary>Writes the first values of a parameter.</summary>
/// <param name="values">The values, row by row.</param>
/// <example>
/// <code>
/// Initializer ones = values =&gt; values.Fill(1);
/// </code>
/// </example>
public delegate void Initializer(Span<float> values);
