namespace Mamba.Benchmarks.Quick;

/// <summary>What this machine can do at most; the goals of other rows are parts of it.</summary>
internal static class MachineRows
{
    private static readonly Lazy<double> FmaPeak = new(() => MachineLimits.FmaPeak() / 1e9);
    private static readonly Lazy<double> MemoryRead = new(() => MachineLimits.MemoryRead() / 1e9);

    public static IEnumerable<QuickRow> All =>
    [
        new("FMA peak", "GFLOP/s", () => FmaPeak.Value),
        new("memory read", "GB/s", () => MemoryRead.Value),
    ];

    /// <summary>A part of the peak, in GFLOP/s.</summary>
    public static Func<double> OfFmaPeak(double part) => () => part * FmaPeak.Value;

    /// <summary>A part of the bandwidth, in GB/s.</summary>
    public static Func<double> OfMemoryRead(double part) => () => part * MemoryRead.Value;
}
