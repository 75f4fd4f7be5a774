using BenchmarkDotNet.Attributes;
using Mamba.Autograd;
using Mamba.Benchmarks.Plain;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks;

/// <summary>The norms of mamba-130m, 768 channels, and of mamba2-130m's gated norm, 1536.</summary>
[MemoryDiagnoser]
public class NormBenchmarks : IDisposable
{
    private const float Epsilon = 1e-5f;

    private CpuDevice _device = null!;
    private DeviceArray _x, _residual, _weight, _wideX, _gate, _wideWeight;
    private PlainNorm _plain = null!;

    /// <summary>Number of tokens; one is a decoding step.</summary>
    [Params(1, 512)]
    public int Length { get; set; }

    /// <summary>Creates the inputs, and checks that the plain norm gives the same result.</summary>
    [GlobalSetup]
    public void Open()
    {
        _device = new CpuDevice();
        _x = Seeded.Array(_device, [Length, 768], -1, 1);
        _residual = Seeded.Array(_device, [Length, 768], -1, 1, seed: 2);
        _weight = Seeded.Array(_device, [768], 0.5, 1.5, seed: 3);
        _wideX = Seeded.Array(_device, [Length, 1536], -1, 1, seed: 4);
        _gate = Seeded.Array(_device, [Length, 1536], -1, 1, seed: 5);
        _wideWeight = Seeded.Array(_device, [1536], 0.5, 1.5, seed: 6);
        using DeviceScope scope = _device.Scope();
        _plain = new PlainNorm(_x, _weight, Epsilon);
        _plain.Run();
        Values.RequireClose(Values.Of(Functions.RmsNorm(_x, _weight, Epsilon)), _plain.Y);
    }

    /// <summary>Closes the device.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Plain loops of the definition, on one thread.</summary>
    [Benchmark(Baseline = true)]
    public void PlainLoops() => _plain.Run();

    /// <summary>RMS norm.</summary>
    [Benchmark]
    public void RmsNorm()
    {
        using DeviceScope scope = _device.Scope();
        Functions.RmsNorm(_x, _weight, Epsilon);
    }

    /// <summary>RMS norm of a sum; the sum is stored, too.</summary>
    [Benchmark]
    public void AddRmsNorm()
    {
        using DeviceScope scope = _device.Scope();
        Functions.AddRmsNorm(_x, _residual, _weight, Epsilon);
    }

    /// <summary>RMS norm after a gate, with twice the channels.</summary>
    [Benchmark]
    public void GatedRmsNorm()
    {
        using DeviceScope scope = _device.Scope();
        Functions.GatedRmsNorm(_wideX, _gate, _wideWeight, default, Epsilon);
    }
}
