namespace Mamba.Benchmarks.Gpu;

/// <summary>The result of a row.</summary>
/// <param name="Value">The value in the row's unit.</param>
/// <param name="Seconds">Time of one run.</param>
/// <param name="Bytes">Memory that a run must read and write; 0: not counted.</param>
/// <param name="Operations">Multiplications and additions of a run; 0: not counted.</param>
internal readonly record struct GpuResult(double Value, double Seconds, double Bytes = 0, double Operations = 0);

/// <summary>A row of the table of GPU benchmarks.</summary>
internal sealed record GpuRow(string Name, string Unit, Func<GpuBench, GpuResult> Measure)
{
    /// <summary>The target on one H200.</summary>
    public double? Goal { get; init; }

    /// <summary>Whether less is better.</summary>
    public bool LowerIsBetter { get; init; }
}
