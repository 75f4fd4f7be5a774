using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Quick;

/// <summary>The SSD of mamba2-130m: 24 heads of 64 channels, 128 states.</summary>
internal static class SsdRows
{
    private const string Unit = "ns/token·channel·state", Sizes = "H24 P64 N128";

    public static IEnumerable<QuickRow> All =>
    [
        new($"ssd forward L16 {Sizes}", Unit, _ => Forward(16)) { LowerIsBetter = true },
        new($"ssd forward L128 {Sizes}", Unit, _ => Forward(128)) { LowerIsBetter = true },
        new($"ssd forward L2048 {Sizes}", Unit, _ => Forward(2048)) { Goal = 0.026, LowerIsBetter = true },
        new($"ssd backward L2048 {Sizes}", Unit, _ => Backward(2048)) { LowerIsBetter = true },
        new($"ssd forward L256 {Sizes}, plain C#", Unit, _ => PlainForward(256)) { LowerIsBetter = true },
        new($"ssd L2048 {Sizes} summary of a span / the ssd", "ratio", _ => Summary(2048))
        {
            Goal = 1.1,
            LowerIsBetter = true,
        },
        .. WithOnnx(256),
        .. WithOnnx(2048),
    ];

    private static double PerSecond(int length) => 1e9 / length / SsdProblem.Channels / SsdProblem.States;

    private static double Forward(int length)
    {
        using CpuDevice device = new();
        SsdInputs inputs = SsdProblem.Whole(device, length);
        return PerSecond(length) * Timing.Seconds(() =>
        {
            using DeviceScope scope = device.Scope();
            Functions.Ssd(inputs);
        });
    }

    private static double Summary(int length)
    {
        using CpuDevice device = new(threads: 1);
        using DeviceScope scope = device.Scope();
        SsdInputs inputs = SsdProblem.Whole(device, length) with { D = default };
        return Timing.Alternating(
            () => Run(() => Functions.SummarizeSsd(inputs)), () => Run(() => Functions.Ssd(inputs))).Ratio;

        void Run(Action action)
        {
            using DeviceScope run = device.Scope();
            action();
        }
    }

    /// <summary>Time of the backward operation alone; what it needs of the forward pass is made beforehand.</summary>
    private static double Backward(int length)
    {
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        SsdInputs inputs = SsdProblem.Whole(device, length);
        SsdOperation ssd = new SsdOperation { Inputs = inputs }.Prepare(device, keep: true);
        ssd.Forward(device);
        ZerosMap zeros = default;
        SsdOperation gradients = ssd.Map(ref zeros) with
        {
            Y = Seeded.Array(device, inputs.X.Shape, -1, 1, seed: 7),
            FinalState = default,
        };
        return PerSecond(length) * Timing.Seconds(() => ssd.Backward(device, gradients));
    }

    private static double PlainForward(int length)
    {
        using CpuDevice device = new();
        PlainSsd ssd = new(SsdProblem.Whole(device, length));
        return PerSecond(length) * Timing.Seconds(ssd.Run);
    }

    private static IEnumerable<QuickRow> WithOnnx(int length) =>
        Comparison.Rows($"ssd core L{length} {Sizes}", "ONNX Runtime", Unit, PerSecond(length), () =>
        {
            using CpuDevice device = new();
            using DeviceScope scope = device.Scope();
            SsdInputs inputs = SsdProblem.Core(device, length);
            using OnnxOperator onnx = OnnxCores.Ssd(inputs, device.Threads);
            OnnxCores.Require(onnx, Functions.Ssd(inputs).Y);
            return Timing.Alternating(onnx.Run, Ours);

            void Ours()
            {
                using DeviceScope run = device.Scope();
                Functions.Ssd(inputs);
            }
        });
}
