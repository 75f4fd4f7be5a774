using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Quick;

/// <summary>The selective scan of mamba-130m: 1536 channels, 16 states.</summary>
internal static class ScanRows
{
    private const string Unit = "ns/token·channel·state", Sizes = "D1536 N16";

    public static IEnumerable<QuickRow> All =>
    [
        new($"scan forward L2048 {Sizes}", Unit, _ => Forward(2048)) { Goal = 0.085, LowerIsBetter = true },
        new($"scan backward L2048 {Sizes}", Unit, _ => Backward(2048)) { Goal = 0.3, LowerIsBetter = true },
        new($"scan forward L256 {Sizes}, plain C#", Unit, _ => PlainForward(256)) { LowerIsBetter = true },
        .. Comparison.Rows($"scan core L256 {Sizes}", "ONNX Runtime", Unit, PerSecond(256), () => WithOnnx(256)),
    ];

    private static double PerSecond(int length) => 1e9 / length / ScanProblem.Channels / ScanProblem.States;

    private static double Forward(int length)
    {
        using CpuDevice device = new();
        ScanInputs inputs = ScanProblem.Whole(device, length);
        return PerSecond(length) * Timing.Seconds(() =>
        {
            using DeviceScope scope = device.Scope();
            Functions.SelectiveScan(inputs);
        });
    }

    /// <summary>Time of the backward operation alone; the forward pass makes its checkpoints beforehand.</summary>
    private static double Backward(int length)
    {
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        ScanInputs inputs = ScanProblem.Whole(device, length);
        ScanOperation scan = new ScanOperation { Inputs = inputs }.Prepare(device, keep: true);
        scan.Forward(device);
        ZerosMap zeros = default;
        ScanOperation gradients = scan.Map(ref zeros) with
        {
            Y = Seeded.Array(device, inputs.X.Shape, -1, 1, seed: 8),
            FinalState = default,
        };
        return PerSecond(length) * Timing.Seconds(() => scan.Backward(device, gradients));
    }

    private static double PlainForward(int length)
    {
        using CpuDevice device = new();
        PlainScan scan = new(ScanProblem.Whole(device, length));
        return PerSecond(length) * Timing.Seconds(scan.Run);
    }

    private static PairedTimes WithOnnx(int length)
    {
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        ScanInputs inputs = ScanProblem.Core(device, length);
        using OnnxOperator onnx = OnnxCores.Scan(inputs, device.Threads);
        OnnxCores.Require(onnx, Functions.SelectiveScan(inputs).Y);
        return Timing.Alternating(onnx.Run, Ours);

        void Ours()
        {
            using DeviceScope run = device.Scope();
            Functions.SelectiveScan(inputs);
        }
    }
}
