namespace Mamba.Benchmarks.Quick;

/// <summary>The limits of this machine.</summary>
internal static class MachineRows
{
    public static IEnumerable<QuickRow> All =>
    [
        new("FMA peak", "GFLOP/s", _ => MachineLimits.FmaPeak() / 1e9),
        new("memory read", "GB/s", _ => MachineLimits.MemoryRead() / 1e9),
    ];
}
