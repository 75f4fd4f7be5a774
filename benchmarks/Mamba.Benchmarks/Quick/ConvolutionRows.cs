using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks.Quick;

/// <summary>The convolution with SiLU before the scan of mamba-130m.</summary>
internal static class ConvolutionRows
{
    private const int Length = 2048;

    public static IEnumerable<QuickRow> All => Comparison.Rows(
        $"convolution L{Length} D{ConvolutionProblem.Channels} K{ConvolutionProblem.Width}",
        "ONNX Runtime",
        "ns/token·channel",
        1e9 / Length / ConvolutionProblem.Channels,
        WithOnnx);

    private static PairedTimes WithOnnx()
    {
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        (DeviceArray x, DeviceArray weight, DeviceArray bias) = ConvolutionProblem.Of(device, Length);
        using OnnxOperator onnx = OnnxCores.Convolution(x, weight, bias, device.Threads);
        OnnxCores.Require(onnx, Functions.CausalConvolution(x, weight, bias, silu: true).Y);
        return Timing.Alternating(onnx.Run, Ours);

        void Ours()
        {
            using DeviceScope run = device.Scope();
            Functions.CausalConvolution(x, weight, bias, silu: true);
        }
    }
}
