using BenchmarkDotNet.Attributes;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Quick;
using Mamba.Cpu;
using Mamba.Layers;

namespace Mamba.Benchmarks;

/// <summary>One token through a stack of layers in residual blocks, without embedding and head.</summary>
[MemoryDiagnoser]
public class StepBenchmarks : IDisposable
{
    private CpuDevice _device = null!;
    private SmallModel _mamba1 = null!, _mamba2 = null!;
    private PlainStack _plain = null!;

    /// <summary>Width and number of layers.</summary>
    [Params("64x2", "128x3", "256x4", "512x6")]
    public string Sizes { get; set; } = "";

    /// <summary>Number of threads.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    /// <summary>Creates the models, and checks that the plain one gives the same result.</summary>
    [GlobalSetup]
    public void Open()
    {
        int[] sizes = Array.ConvertAll(Sizes.Split('x'), int.Parse);
        _device = new CpuDevice(Threads);
        _mamba1 = new SmallModel(_device, new MambaMixerOptions { ModelDim = sizes[0] }, sizes[1]);
        _mamba2 = new SmallModel(_device, new Mamba2MixerOptions { ModelDim = sizes[0] }, sizes[1]);
        _plain = new PlainStack(_mamba1);
    }

    /// <summary>Closes the device.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _mamba1.Dispose();
        _mamba2.Dispose();
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Mamba-1 in plain loops, on one thread.</summary>
    [Benchmark(Baseline = true)]
    public void PlainLoops() => _plain.Step();

    /// <summary>Mamba-1, 16 states.</summary>
    [Benchmark]
    public void Mamba1() => _mamba1.Step();

    /// <summary>Mamba-2, 128 states.</summary>
    [Benchmark]
    public void Mamba2() => _mamba2.Step();
}
