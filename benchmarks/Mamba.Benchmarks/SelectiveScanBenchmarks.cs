using BenchmarkDotNet.Attributes;
using Mamba.Autograd;
using Mamba.Benchmarks.Onnx;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks;

/// <summary>The selective scan of mamba-130m: 1536 channels, 16 states.</summary>
[MemoryDiagnoser]
public class SelectiveScanBenchmarks : IDisposable
{
    private CpuDevice _device = null!;
    private ScanInputs _whole, _core;
    private PlainScan _plain = null!;
    private OnnxOperator _onnx = null!;

    /// <summary>Number of tokens; one is a decoding step.</summary>
    [Params(1, 256)]
    public int Length { get; set; }

    /// <summary>Creates the inputs, and checks that all give the same result.</summary>
    [GlobalSetup]
    public void Open()
    {
        _device = new CpuDevice();
        _whole = ScanProblem.Whole(_device, Length);
        _core = ScanProblem.Core(_device, Length);
        using DeviceScope scope = _device.Scope();
        _plain = new PlainScan(_whole);
        _plain.Run();
        Values.RequireClose(Values.Of(Functions.SelectiveScan(_whole).Y), _plain.Y);
        _onnx = OnnxCores.Scan(_core, _device.Threads);
        OnnxCores.Require(_onnx, Functions.SelectiveScan(_core).Y);
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

    /// <summary>The scan with softplus, D and the gate, as <see cref="PlainLoops"/>.</summary>
    [Benchmark]
    public void Scan()
    {
        using DeviceScope scope = _device.Scope();
        Functions.SelectiveScan(_whole);
    }

    /// <summary>The recurrence alone.</summary>
    [Benchmark]
    public void Core()
    {
        using DeviceScope scope = _device.Scope();
        Functions.SelectiveScan(_core);
    }

    /// <summary>The recurrence alone, in ONNX Runtime.</summary>
    [Benchmark]
    public void OnnxCore() => _onnx.Run();
}
