using Mamba.Devices;
using Mamba.Gpu;

namespace Mamba.Tests;

/// <summary>
/// The device that the tests of operations, layers and models run on: the processor, or what the environment variable
/// MAMBA_TEST_DEVICE names: <c>emulation</c>, <c>opencl</c> or <c>cuda</c>.
/// </summary>
internal static class TestDevice
{
    private static readonly string Name = Environment.GetEnvironmentVariable("MAMBA_TEST_DEVICE") ?? "cpu";

    // Kernels are compiled once for all tests.
    private static readonly Lazy<GpuDevice> Gpu = new(
        () => GpuDevice.Open(new() { Kind = IsCpu ? GpuKind.Emulation : KindOf(Name) }));

    /// <summary>Whether the tests run on the processor, so that what only it promises can be tested.</summary>
    public static bool IsCpu => Name == "cpu";

    /// <summary>Whether the tests run kernels on the processor's threads, whose start allocates.</summary>
    public static bool IsEmulation => Name == "emulation";

    /// <summary>Opens the device.</summary>
    /// <param name="threads">Threads, where it is the processor.</param>
    public static Device Open(int threads = 1) => IsCpu ? new CpuDevice(threads) : Gpu.Value.Share();

    /// <summary>Opens the device, or an emulated one where it is the processor.</summary>
    /// <param name="precision">How it stores activations.</param>
    public static GpuDevice OpenGpu(Precision precision = Precision.Float32) =>
        Gpu.Value.Share(new() { Precision = precision });

    /// <summary>
    /// Asserts that a sequence has the same bits alone and in a batch; on CUDA, where cuBLAS chooses the method of a product
    /// by its number of rows, that they are as close as sums in another order.
    /// </summary>
    public static void ShouldBeAsAlone(this float[] batched, float[] alone, string what = "array")
    {
        if (Name == "cuda")
        {
            batched.ShouldBeClose(alone, 1e-5, what);
        }
        else
        {
            batched.ShouldHaveTheBitsOf(alone, what);
        }
    }

    private static GpuKind KindOf(string name) => name switch
    {
        "emulation" => GpuKind.Emulation,
        "opencl" => GpuKind.OpenCL,
        "cuda" => GpuKind.Cuda,
        _ => throw new InvalidOperationException($"MAMBA_TEST_DEVICE names no device: \"{name}\"."),
    };
}
