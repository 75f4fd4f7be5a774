namespace Mamba.Benchmarks.Quick;

/// <summary>One line of the quick table.</summary>
/// <param name="Name">Name of the measurement.</param>
/// <param name="Unit">The unit of the value.</param>
/// <param name="Measure">Measures the value, with the rows' shared models.</param>
internal sealed record QuickRow(string Name, string Unit, Func<QuickBench, double> Measure)
{
    /// <summary>The value to reach, or to stay below; null if there is no target.</summary>
    public double? Goal { get; init; }

    public bool LowerIsBetter { get; init; }
}
