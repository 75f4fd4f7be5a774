using System.Diagnostics;
using Mamba.Autograd;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Gpu;

/// <summary>The device's limits, and single operations.</summary>
internal static class GpuOperationRows
{
    /// <summary>Names of the rows with the device's limits, which other rows are compared with.</summary>
    public const string Copy = "copy on the device", Product = "matrix product 8192, bfloat16";

    private const int ScanBatch = 8, ScanLength = 2048, ScanChannels = 2048, ScanStates = 16;

    public static IEnumerable<GpuRow> All =>
    [
        new(Copy, "GB/s", CopyRate),
        new(Product, "TFLOP/s", bench => ProductRate(bench, 8192, Precision.BFloat16)),
        new("matrix product 4096, float32", "TFLOP/s", bench => ProductRate(bench, 4096, Precision.Float32)),
        new("host time of an operation", "µs", HostTime) { Goal = 1, LowerIsBetter = true },
        new("scan forward B8 L2048 D2048 N16, bfloat16", "µs", bench => Scan(bench, backward: false))
        {
            Goal = 220,
            LowerIsBetter = true,
        },
        new("its backward pass", "µs", ScanBackward) { Goal = 750, LowerIsBetter = true },
        new("SSD forward B8 L4096 H64 P64 N128, bfloat16", "µs", Ssd) { Goal = 600, LowerIsBetter = true },
    ];

    private static GpuResult CopyRate(GpuBench bench)
    {
        using GpuDevice device = bench.Open(Precision.Float32);
        using DeviceScope scope = device.Scope();
        int count = bench.Scaled(1 << 28);
        DeviceArray x = device.Zeros([count]), y = device.Zeros([count]);
        double seconds = GpuBench.Seconds(device, () => device.Copy(x, y)), bytes = 2.0 * count * sizeof(float);
        return new(bytes / seconds / 1e9, seconds, bytes);
    }

    private static GpuResult ProductRate(GpuBench bench, int size, Precision precision)
    {
        using GpuDevice device = bench.Open(precision);
        using DeviceScope scope = device.Scope();
        size = bench.Scaled(size);
        DeviceArray a = GpuBench.Random(device, [size, size], -1, 1, precision);
        DeviceArray b = GpuBench.Random(device, [size, size], -1, 1, precision);
        DeviceArray c = device.AllocateOwned([size, size], precision);
        double seconds = GpuBench.Seconds(device, () => device.MatMul(a, false, b, true, c, false));
        double operations = 2.0 * size * size * size;
        return new(operations / seconds / 1e12, seconds, 0, operations);
    }

    private static GpuResult HostTime(GpuBench bench)
    {
        const int Count = 500, Repeats = 100; // Count fits in the driver's queue; a full queue waits for the device
        using GpuDevice device = bench.Open(Precision.Float32);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Zeros([1]);
        List<double> times = new(Repeats);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                device.Fill(x, 1f);
            }

            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / Count);
            device.Synchronize();
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        times.Sort();
        double seconds = times[Repeats / 2];
        if (device.Info.Kind == GpuKind.Cuda && allocated > 0)
        {
            throw new InvalidOperationException(
                $"{Count * Repeats} operations allocated {allocated} bytes on the managed heap.");
        }

        return new(seconds * 1e6, seconds);
    }

    private static ScanInputs ScanOf(GpuBench bench, GpuDevice device)
    {
        Shape tokens = [bench.Scaled(ScanBatch), bench.Scaled(ScanLength), ScanChannels];
        Precision half = Precision.BFloat16, full = Precision.Float32;
        return new()
        {
            X = GpuBench.Random(device, tokens, -1, 1, half),
            Delta = GpuBench.Random(device, tokens, -5, -2, half),
            A = GpuBench.Random(device, [ScanStates, ScanChannels], -16, -1, full),
            B = GpuBench.Random(device, tokens.WithWidth(ScanStates), -1, 1, half),
            C = GpuBench.Random(device, tokens.WithWidth(ScanStates), -1, 1, half),
            D = GpuBench.Random(device, [ScanChannels], -1, 1, full),
            Z = GpuBench.Random(device, tokens, -1, 1, half),
            DeltaBias = GpuBench.Random(device, [ScanChannels], -1, 1, full),
            Softplus = true,
        };
    }

    private static GpuResult Scan(GpuBench bench, bool backward)
    {
        using GpuDevice device = bench.Open(Precision.BFloat16);
        ScanInputs inputs = ScanOf(bench, device);
        double seconds = GpuBench.Seconds(device, () =>
        {
            using DeviceScope scope = device.Scope();
            if (!backward)
            {
                Functions.SelectiveScan(inputs);
                return;
            }

            using Tape tape = new(device);
            DeviceArray[] watched = [inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.D, inputs.Z];
            foreach (DeviceArray input in watched)
            {
                tape.Watch(input);
            }

            (DeviceArray y, _) = Functions.SelectiveScan(inputs);
            tape.Backward((y, inputs.X));
        });

        // x, Δ, z and y once, and B and C.
        double rows = inputs.X.Shape.Rows, bytes = rows * ((4 * ScanChannels) + (2 * ScanStates)) * sizeof(ushort);
        return new(seconds * 1e6, seconds, bytes, 6.0 * rows * ScanChannels * ScanStates);
    }

    private static GpuResult ScanBackward(GpuBench bench)
    {
        double seconds = Scan(bench, backward: true).Seconds - Scan(bench, backward: false).Seconds;
        return new(seconds * 1e6, seconds);
    }

    private static GpuResult Ssd(GpuBench bench)
    {
        const int Heads = 64, HeadDim = 64, States = 128, Chunk = 256;
        using GpuDevice device = bench.Open(Precision.BFloat16);
        Shape tokens = [bench.Scaled(8), bench.Scaled(4096), Heads * HeadDim];
        Precision half = Precision.BFloat16, full = Precision.Float32;
        SsdInputs inputs = new()
        {
            X = GpuBench.Random(device, tokens, -1, 1, half),
            Delta = GpuBench.Random(device, tokens.WithWidth(Heads), -5, -2, half),
            A = GpuBench.Random(device, [Heads], -16, -1, full),
            B = GpuBench.Random(device, tokens.WithWidth(States), -1, 1, half),
            C = GpuBench.Random(device, tokens.WithWidth(States), -1, 1, half),
            D = GpuBench.Random(device, [Heads], -1, 1, full),
            DeltaBias = GpuBench.Random(device, [Heads], -1, 1, full),
            Softplus = true,
            ChunkLength = Chunk,
        };
        double seconds = GpuBench.Seconds(device, () =>
        {
            using DeviceScope scope = device.Scope();
            Functions.Ssd(inputs);
        });

        // C·Bᵀ for the group; for every head the product with Δx, the chunk's states, and their contribution to y.
        double perToken = (2.0 * Chunk * States) + (Heads * 2.0 * ((Chunk * HeadDim) + (2 * States * HeadDim)));
        double bytes = tokens.Rows * ((2 * Heads * HeadDim) + (2 * States) + Heads) * (double)sizeof(ushort);
        return new(seconds * 1e6, seconds, bytes, perToken * tokens.Rows);
    }
}
