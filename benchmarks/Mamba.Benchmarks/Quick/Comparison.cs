namespace Mamba.Benchmarks.Quick;

/// <summary>Two implementations of the same work: a row for each, and one for our speedup.</summary>
internal static class Comparison
{
    /// <summary>Creates the three rows of one measurement.</summary>
    /// <param name="work">The work, which names our row.</param>
    /// <param name="other">Name of the other implementation.</param>
    /// <param name="unit">The unit of both times.</param>
    /// <param name="perSecond">Units in a second.</param>
    /// <param name="measure">Times the other first, ours second; called once.</param>
    public static IEnumerable<QuickRow> Rows(
        string work, string other, string unit, double perSecond, Func<PairedTimes> measure)
    {
        Lazy<PairedTimes> times = new(measure);
        return
        [
            new(work, unit, _ => times.Value.Second * perSecond) { LowerIsBetter = true },
            new($"{work}, {other}", unit, _ => times.Value.First * perSecond) { LowerIsBetter = true },
            new($"{work}, {other} / ours", "ratio", _ => times.Value.Ratio),
        ];
    }
}
