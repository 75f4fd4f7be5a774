namespace Mamba.Benchmarks.Gpu;

/// <summary>What a row has found.</summary>
/// <param name="Value">In the row's unit.</param>
/// <param name="Seconds">Of one run.</param>
/// <param name="Bytes">Memory that a run must read and write; 0: not counted.</param>
/// <param name="Operations">Multiplications and additions of a run; 0: not counted.</param>
internal readonly record struct GpuResult(double Value, double Seconds, double Bytes = 0, double Operations = 0);

/// <summary>A row of the table of GPU benchmarks.</summary>
internal sealed record GpuRow(string Name, string Unit, Func<GpuBench, GpuResult> Measure)
{
    /// <summary>What the row should reach on one H200.</summary>
    public double? Goal { get; init; }

    /// <summary>Whether less is better.</summary>
    public bool LowerIsBetter { get; init; }
}
