namespace Mamba.Layers;

/// <summary>Writes the first values of a parameter.</summary>
/// <param name="values">The values, row by row.</param>
public delegate void Initializer(Span<float> values);

/// <summary>The usual first values. Each is null where there is no random source: a loader will fill the parameter.</summary>
internal static class Initial
{
    public static Initializer? Constant(Random? random, float value) =>
        random is null ? null : values => values.Fill(value);

    /// <summary>Uniform in ±1/√fanIn, the default of PyTorch's linear layers and convolutions.</summary>
    public static Initializer? FanIn(Random? random, int fanIn, double scale = 1) =>
        Uniform(random, -scale / Math.Sqrt(fanIn), scale / Math.Sqrt(fanIn));

    public static Initializer? Uniform(Random? random, double low, double high) =>
        random is null ? null : values =>
        {
            foreach (ref float value in values)
            {
                value = (float)(low + ((high - low) * random.NextDouble()));
            }
        };

    /// <summary>Normal with mean 0 (Box and Muller).</summary>
    public static Initializer? Normal(Random? random, double deviation) =>
        random is null ? null : values =>
        {
            foreach (ref float value in values)
            {
                double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
                value = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
            }
        };
}
