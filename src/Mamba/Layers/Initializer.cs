namespace Mamba.Layers;

/// <summary>Writes the first values of a parameter.</summary>
/// <param name="values">The values, row by row.</param>
public delegate void Initializer(Span<float> values);
