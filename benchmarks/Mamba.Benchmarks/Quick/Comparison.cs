namespace Mamba.Benchmarks.Quick;

/// <summary>Two ways to do the same work: a row for each, and one for how many times faster ours is.</summary>
internal static class Comparison
{
    /// <summary>Makes the three rows of one measurement.</summary>
    /// <param name="work">The work, and so the name of our row.</param>
    /// <param name="other">Who does it otherwise.</param>
    /// <param name="unit">The unit of both times.</param>
    /// <param name="perSecond">How many of the unit a second is.</param>
    /// <param name="measure">Times the other first, ours second; called once.</param>
    public static IEnumerable<QuickRow> Rows(
        string work, string other, string unit, double perSecond, Func<Turns> measure)
    {
        Lazy<Turns> turns = new(measure);
        return
        [
            new(work, unit, _ => turns.Value.Second * perSecond) { LowerIsBetter = true },
            new($"{work}, {other}", unit, _ => turns.Value.First * perSecond) { LowerIsBetter = true },
            new($"{work}, {other} / ours", "ratio", _ => turns.Value.Ratio),
        ];
    }
}
