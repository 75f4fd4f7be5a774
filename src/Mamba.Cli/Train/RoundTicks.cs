namespace Mamba.Cli.Train;

/// <summary>Places for the lines of an axis: multiples of 1, 2 or 5 times a power of ten.</summary>
/// <remarks>Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.</remarks>
internal static class RoundTicks
{
    /// <summary>The multiples in a range, about as many as are wanted.</summary>
    /// <param name="low">The lower end.</param>
    /// <param name="high">The upper end, above it.</param>
    /// <param name="count">How many lines are wanted.</param>
    /// <param name="least">The smallest distance; 1 for an axis of whole numbers.</param>
    /// <returns>The places in order, and their number of decimals; none if the range is empty or not finite.</returns>
    public static (double[] Places, int Decimals) Between(double low, double high, int count, double least = 0)
    {
        if (!(high > low) || !double.IsFinite(high - low))
        {
            return ([], 0);
        }

        double rough = (high - low) / count, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = Math.Max(power * (rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 }, least);
        double first = Math.Ceiling((low / step) - 1e-9);
        int number = (int)Math.Floor((high / step) + 1e-9 - first) + 1;
        int decimals = Math.Max((int)-Math.Floor(Math.Log10(step) + 1e-9), 0);
        return ([.. Enumerable.Range(0, number).Select(i => (first + i) * step)], decimals);
    }
}
