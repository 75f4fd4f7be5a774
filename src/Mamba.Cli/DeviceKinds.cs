using Mamba.Devices;
using Mamba.Gpu;

namespace Mamba.Cli;

/// <summary>The devices by the names that <c>--device</c> takes.</summary>
internal static class DeviceKinds
{
    /// <summary>Opens a device.</summary>
    /// <param name="kind">cpu, cuda, opencl or emulation.</param>
    /// <param name="threads">Number of threads on the CPU; 0: as many as the device chooses.</param>
    /// <exception cref="ArgumentException">There is no such kind.</exception>
    public static Device Open(string kind, int threads) => kind switch
    {
        "cpu" => threads > 0 ? new CpuDevice(threads) : new CpuDevice(),
        "cuda" => GpuDevice.Open(new() { Kind = GpuKind.Cuda }),
        "opencl" => GpuDevice.Open(new() { Kind = GpuKind.OpenCL }),
        "emulation" => GpuDevice.Open(new() { Kind = GpuKind.Emulation }),
        _ => throw new ArgumentException($"--device: expected cpu, cuda, opencl or emulation; found \"{kind}\"."),
    };
}
