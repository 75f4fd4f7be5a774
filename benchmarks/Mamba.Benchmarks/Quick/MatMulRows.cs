using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks.Quick;

/// <summary>Products with the weights of mamba-130m.</summary>
internal static class MatMulRows
{
    public static IEnumerable<QuickRow> All =>
    [
        new("matmul 512×768×3072", "GFLOP/s", _ => Product(512, 768, 3072)) { Goal = 235 },
        new("matmul 2048×1536×768", "GFLOP/s", _ => Product(2048, 1536, 768)) { Goal = 235 },
        new("gemv 50280×768", "GB/s", _ => Stream(50280, 768)),
    ];

    /// <summary>GFLOP/s of <c>y = x·Wᵀ</c>, x [rows, depth] and W [columns, depth].</summary>
    private static double Product(int rows, int depth, int columns) =>
        2.0 * rows * depth * columns / SecondsOf(rows, depth, columns) / 1e9;

    /// <summary>GB/s at which the weights [columns, depth] are read for one row.</summary>
    private static double Stream(int columns, int depth) =>
        (double)sizeof(float) * columns * depth / SecondsOf(1, depth, columns) / 1e9;

    private static double SecondsOf(int rows, int depth, int columns)
    {
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Zeros([rows, depth]), weight = device.Zeros([columns, depth]);
        DeviceArray y = device.Zeros([rows, columns]);
        return Timing.Seconds(() => device.Linear(new() { X = x, Weight = weight, Y = y }));
    }
}
