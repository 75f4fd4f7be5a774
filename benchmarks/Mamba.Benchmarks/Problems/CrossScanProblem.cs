using Mamba.Devices;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Benchmarks.Problems;

/// <summary>The cross-scan of the first stage of VMamba: 56×56 tokens of 96 channels in four orders, batch 8.</summary>
internal static class CrossScanProblem
{
    public const int Side = 56, Channels = 96, Batch = 8, Directions = 4;

    private const int Length = Side * Side;

    private static readonly ScanOrder Rows = ScanOrder.Rows(Side, Side), Columns = ScanOrder.Columns(Side, Side);

    public static ScanOrder[] Orders { get; } = [Rows, Columns, Rows.Reversed(), Columns.Reversed()];

    /// <summary>The inputs of all directions; with one direction, those of a plain scan.</summary>
    public static ScanInputs Of(Device device, int states, int directions) => new()
    {
        X = Seeded.Array(device, [Batch, Length, Channels], -1, 1, seed: 1),
        Delta = Seeded.Array(device, [Batch, Length, directions * Channels], -5, -2, seed: 2),
        A = Seeded.Array(device, [states, directions * Channels], -16, -1),
        B = Seeded.Array(device, [Batch, Length, directions * states], -1, 1, seed: 3),
        C = Seeded.Array(device, [Batch, Length, directions * states], -1, 1, seed: 4),
        D = Seeded.Array(device, [directions * Channels], -1, 1, seed: 5),
        DeltaBias = Seeded.Array(device, [directions * Channels], -1, 1, seed: 7),
        Softplus = true,
    };
}
