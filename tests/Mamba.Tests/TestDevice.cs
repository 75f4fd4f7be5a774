using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Tests.Gpu.CudaOnHost;
using Mamba.Tests.Reference;

namespace Mamba.Tests;

/// <summary>
/// The device that the tests of operations, layers and models run on: the processor, or what the environment variable
/// MAMBA_TEST_DEVICE names, in float32: <c>emulation</c>, <c>opencl</c>, <c>cuda:1</c>.
/// </summary>
internal static class TestDevice
{
    private const string Variable = "MAMBA_TEST_DEVICE";

    /// <summary>The GPU that is tested; null: the processor.</summary>
    private static readonly GpuOptions? Named = Read(Environment.GetEnvironmentVariable(Variable) ?? "cpu");

    // Kernels are compiled once for all tests.
    private static readonly Lazy<GpuDevice> Gpu = new(OpenNamed);

    /// <summary>Whether the tests run on the processor, so that what only it promises can be tested.</summary>
    public static bool IsCpu => Named is null;

    /// <summary>Whether the tests run on an NVIDIA GPU, whose products are those of cuBLAS.</summary>
    public static bool IsCuda => Named?.Kind == GpuKind.Cuda;

    /// <summary>Whether the tests run kernels on the processor's threads, whose start allocates.</summary>
    public static bool IsEmulation => Named?.Kind == GpuKind.Emulation;

    /// <summary>
    /// Whether the kernels in CUDA C are tested: on a CUDA device unless MAMBA_TEST_CUDA_C is 0; in the emulation,
    /// where they run on the host, if it is 1.
    /// </summary>
    public static bool IsCudaC { get; } =
        Environment.GetEnvironmentVariable("MAMBA_TEST_CUDA_C") is { } asked ? asked == "1" : IsCuda;

    /// <summary>Opens the device, with a scope that lasts as long as the device.</summary>
    /// <param name="threads">Threads, if it is the processor.</param>
    public static Device Open(int threads = 1) => InScope(OpenBare(threads));

    /// <summary>Opens the device without a scope.</summary>
    /// <param name="threads">Threads, if it is the processor.</param>
    public static Device OpenBare(int threads = 1) => IsCpu ? new CpuDevice(threads) : Gpu.Value.Share();

    /// <summary>Opens the device, or an emulated one if it is the processor, with a scope that lasts as long.</summary>
    /// <param name="precision">How it stores activations.</param>
    public static GpuDevice OpenGpu(Precision precision = Precision.Float32) =>
        InScope(Gpu.Value.Share(new() { Precision = precision, CudaKernels = IsCudaC }));

    /// <summary>Opens the processor, with a scope that lasts as long as the device.</summary>
    public static CpuDevice Cpu(int threads) => InScope(new CpuDevice(threads));

    /// <summary>Opens the float64 reference, with a scope that lasts as long as the device.</summary>
    public static ReferenceDevice Reference() => InScope(new ReferenceDevice());

    private static TDevice InScope<TDevice>(TDevice device)
        where TDevice : Device
    {
        device.Scope();
        device.Warning = null;
        return device;
    }

    /// <summary>
    /// Asserts that a sequence has the same bits alone and in a batch; on CUDA, where cuBLAS chooses the method of a
    /// product by its number of rows, that they are as close as sums in another order.
    /// </summary>
    public static void ShouldBeAsAlone(this float[] batched, float[] alone, string what = "array")
    {
        if (IsCuda)
        {
            batched.ShouldBeClose(alone, 1e-5, what);
        }
        else
        {
            batched.ShouldHaveTheBitsOf(alone, what);
        }
    }

    private static GpuDevice OpenNamed()
    {
        GpuDevice device = GpuDevice.Open((Named ?? new() { Kind = GpuKind.Emulation }) with { CudaKernels = IsCudaC });
        if (IsCudaC && device.Info.Kind == GpuKind.Emulation)
        {
            device.RunCudaBy(new HostKernels());
        }

        return device;
    }

    private static GpuOptions? Read(string name)
    {
        DeviceName device = DeviceName.Parse(name, Variable);
        return device.Threads is null && device.Gpu?.Precision is null or Precision.Float32
            ? device.Gpu
            : throw new FormatException(
                $"{Variable}: expected no threads and no bfloat16, which the tests choose; found \"{name}\".");
    }
}
