using BenchmarkDotNet.Attributes;
using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks;

/// <summary>The convolution with SiLU of mamba-130m: 1536 channels, four taps.</summary>
[MemoryDiagnoser]
public class ConvolutionBenchmarks : IDisposable
{
    private CpuDevice _device = null!;
    private ConvolutionProblem _problem = null!;
    private OnnxOperator _onnx = null!;

    /// <summary>Number of tokens; one is a decoding step.</summary>
    [Params(1, 2048)]
    public int Length { get; set; }

    /// <summary>Creates the inputs, and checks that both libraries give the same result.</summary>
    [GlobalSetup]
    public void Open()
    {
        _device = new CpuDevice();
        _problem = ConvolutionProblem.Of(_device, Length);
        _onnx = OnnxCores.Convolution(_problem.X, _problem.Weight, _problem.Bias, _device.Threads);
        using DeviceScope scope = _device.Scope();
        OnnxCores.Require(_onnx, Compute());
    }

    /// <summary>Closes the device.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _onnx.Dispose();
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>ONNX Runtime.</summary>
    [Benchmark(Baseline = true)]
    public void Onnx() => _onnx.Run();

    /// <summary>This library.</summary>
    [Benchmark]
    public void Convolution()
    {
        using DeviceScope scope = _device.Scope();
        Compute();
    }

    private DeviceArray Compute() =>
        Functions.CausalConvolution(_problem.X, _problem.Weight, _problem.Bias, silu: true).Y;
}
