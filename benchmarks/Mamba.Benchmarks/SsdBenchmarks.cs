using BenchmarkDotNet.Attributes;
using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks;

/// <summary>The SSD of mamba2-130m: 24 heads of 64 channels, 128 states.</summary>
[MemoryDiagnoser]
public class SsdBenchmarks : IDisposable
{
    private CpuDevice _device = null!;
    private SsdInputs _whole, _core;
    private PlainSsd _plain = null!;
    private OnnxOperator _onnx = null!;

    /// <summary>Number of tokens; one is a decoding step.</summary>
    [Params(1, 16, 256)]
    public int Length { get; set; }

    /// <summary>Creates the inputs, and checks that all give the same result.</summary>
    [GlobalSetup]
    public void Open()
    {
        _device = new CpuDevice();
        _whole = SsdProblem.Whole(_device, Length);
        _core = SsdProblem.Core(_device, Length);
        using DeviceScope scope = _device.Scope();
        _plain = new PlainSsd(_whole);
        _plain.Run();
        Values.RequireClose(Values.Of(Functions.Ssd(_whole).Y), _plain.Y);
        _onnx = OnnxCores.Ssd(_core, _device.Threads);
        OnnxCores.Require(_onnx, Functions.Ssd(_core).Y);
    }

    /// <summary>Closes the device.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _onnx.Dispose();
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Plain loops of the paper, on one thread.</summary>
    [Benchmark(Baseline = true)]
    public void PlainLoops() => _plain.Run();

    /// <summary>The SSD with softplus and D, as <see cref="PlainLoops"/>.</summary>
    [Benchmark]
    public void Ssd()
    {
        using DeviceScope scope = _device.Scope();
        Functions.Ssd(_whole);
    }

    /// <summary>The recurrence alone.</summary>
    [Benchmark]
    public void Core()
    {
        using DeviceScope scope = _device.Scope();
        Functions.Ssd(_core);
    }

    /// <summary>The recurrence alone, in ONNX Runtime.</summary>
    [Benchmark]
    public void OnnxCore() => _onnx.Run();
}
