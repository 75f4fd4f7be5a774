namespace Mamba.Cli.Bench;

/// <summary>
/// How long tokens took, in milliseconds: half of them at most <see cref="P50"/>, nine tenths <see cref="P90"/>.
/// </summary>
internal sealed record Latencies(double P50, double P90, double P99, double Max)
{
    /// <summary>Sorts what was measured.</summary>
    /// <param name="seconds">At least one time.</param>
    public static Latencies Of(IEnumerable<double> seconds)
    {
        double[] sorted = [.. seconds.Order()];

        // The nearest rank: the smallest time that a share of all times does not exceed. In whole percents, because
        // 0.9 · 10 in floating point may be a little more than 9.
        double At(int percent) => 1e3 * sorted[((percent * sorted.Length) + 99) / 100 - 1];
        return new(At(50), At(90), At(99), At(100));
    }
}
