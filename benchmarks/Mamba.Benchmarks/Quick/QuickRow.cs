namespace Mamba.Benchmarks.Quick;

/// <summary>One line of the quick table.</summary>
/// <param name="Name">What is measured.</param>
/// <param name="Unit">The unit of the value.</param>
/// <param name="Measure">Measures the value, with what rows share.</param>
internal sealed record QuickRow(string Name, string Unit, Func<QuickBench, double> Measure)
{
    /// <summary>What the value should reach, or stay below; null for what is only shown.</summary>
    public double? Goal { get; init; }

    public bool LowerIsBetter { get; init; }
}
