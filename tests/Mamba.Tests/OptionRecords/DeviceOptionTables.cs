using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.OptionRecords;

/// <summary>The options of devices and of what runs on them.</summary>
internal static class DeviceOptionTables
{
    public static readonly OptionTable[] All =
    [
        new(new GpuOptions(), new()
        {
            ["Kind"] = [(GpuKind)7],
            ["Index"] = [-1],
            ["Precision"] = [Precision.Float16, Precision.Int8, Precision.Int4, (Precision)9],
            ["EmulatedGroupSize"] = [0, 2, 6, -4, 512, 1 << 30],
        }),
        new(new RotaryOptions(6, 4), Rotate, new()
        {
            ["HeadDim"] = [0, -6, 5, 24],
            ["RotaryDim"] = [-2, 3, 8],
            ["Offset"] = [-1],
            ["Base"] = [0.0, 0.5, -1.0, double.NaN, double.PositiveInfinity],
        }),
    ];

    private static void Rotate(object options) => ((RotaryOptions)options).Validate([1, 2, 12]);
}
