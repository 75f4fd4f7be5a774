namespace Mamba.Layers;

/// <summary>Common initializers of parameters.</summary>
/// <remarks>
/// Each method returns null if <c>random</c> is null: <see cref="Module.AddParameter"/> then leaves the parameter
/// unset, for a loader to fill.
/// </remarks>
/// <example>
/// <code>
/// float[] weights = new float[64 * 32];
/// Initial.FanIn(new Random(1), fanIn: 64)!(weights);
/// </code>
/// </example>
public static class Initial
{
    /// <summary>Sets every element to one value.</summary>
    /// <param name="random">Null leaves the parameter unset.</param>
    /// <param name="value">The value.</param>
    /// <returns>The initializer, or null.</returns>
    public static Initializer? Constant(Random? random, float value) =>
        random is null ? null : values => values.Fill(value);

    /// <summary>Uniform in <c>±scale/√fanIn</c>, the default of PyTorch's linear layers and convolutions.</summary>
    /// <param name="random">Random source; null leaves the parameter unset.</param>
    /// <param name="fanIn">Number of inputs that each output sums.</param>
    /// <param name="scale">Factor of the values.</param>
    /// <returns>The initializer, or null.</returns>
    public static Initializer? FanIn(Random? random, int fanIn, double scale = 1) =>
        Uniform(random, -scale / Math.Sqrt(fanIn), scale / Math.Sqrt(fanIn));

    /// <summary>Uniform between two numbers.</summary>
    /// <param name="random">Random source; null leaves the parameter unset.</param>
    /// <param name="low">Lower bound.</param>
    /// <param name="high">Upper bound.</param>
    /// <returns>The initializer, or null.</returns>
    public static Initializer? Uniform(Random? random, double low, double high) =>
        random is null ? null : values =>
        {
            foreach (ref float value in values)
            {
                value = (float)(low + ((high - low) * random.NextDouble()));
            }
        };

    /// <summary>Normal with mean 0 (Box–Muller).</summary>
    /// <param name="random">Random source; null leaves the parameter unset.</param>
    /// <param name="deviation">Standard deviation.</param>
    /// <returns>The initializer, or null.</returns>
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
