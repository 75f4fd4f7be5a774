using BenchmarkDotNet.Attributes;
using Mamba.Cpu;
using Mamba.Memory;

namespace Mamba.Benchmarks;

/// <summary>The matrix products of a layer of mamba-130m: in_proj, out_proj, x_proj, dt_proj.</summary>
[MemoryDiagnoser]
public class MatMulBenchmarks : IDisposable
{
    private CpuDevice _device = null!;
    private DeviceArray _x;
    private DeviceArray _weight;
    private DeviceArray _y;

    /// <summary>Number of tokens; one is a decoding step.</summary>
    [Params(1, 512)]
    public int Length { get; set; }

    /// <summary>Input and output width of the linear map.</summary>
    [Params("768x3072", "1536x768", "1536x80", "48x1536")]
    public string Sizes { get; set; } = "";

    /// <summary>Opens the device.</summary>
    [GlobalSetup]
    public void Open()
    {
        int[] sizes = Array.ConvertAll(Sizes.Split('x'), int.Parse);
        _device = new CpuDevice();
        _device.Scope(); // ends with the device
        _x = _device.Zeros([Length, sizes[0]]);
        _weight = _device.Zeros([sizes[1], sizes[0]]);
        _y = _device.Zeros([Length, sizes[1]]);
    }

    /// <summary>Closes the device.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary><c>y = x·Wᵀ</c></summary>
    [Benchmark]
    public void Linear() => _device.Linear(new() { X = _x, Weight = _weight, Y = _y });

    /// <summary><c>gx += gy·W</c></summary>
    [Benchmark]
    public void LinearInputGradient() => _device.MatMul(_y, false, _weight, false, _x, accumulate: true);

    /// <summary><c>gW += gyᵀ·x</c></summary>
    [Benchmark]
    public void LinearWeightGradient() => _device.MatMul(_y, true, _x, false, _weight, accumulate: true);
}
