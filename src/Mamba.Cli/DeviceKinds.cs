using Mamba.Devices;
using Mamba.Gpu;

namespace Mamba.Cli;

/// <summary>The devices by the names that <c>--device</c> takes.</summary>
internal static class DeviceKinds
{
    private static readonly string[] Names = ["cpu", "cuda", "opencl", "emulation"];

    /// <summary>Throws unless there is a kind of a name, before anything else is done.</summary>
    /// <param name="kind">The name.</param>
    /// <param name="setting">What the user calls the setting.</param>
    /// <exception cref="InvalidDataException">There is no such kind.</exception>
    public static void RequireKnown(string kind, string setting = "--device")
    {
        if (!Names.Contains(kind))
        {
            throw new InvalidDataException($"{setting}: expected cpu, cuda, opencl or emulation; found \"{kind}\".");
        }
    }

    /// <summary>Opens a device.</summary>
    /// <param name="kind">cpu, cuda, opencl or emulation.</param>
    /// <param name="threads">Number of threads on the CPU; 0: as many as the device chooses.</param>
    /// <exception cref="InvalidDataException">There is no such kind.</exception>
    public static Device Open(string kind, int threads)
    {
        RequireKnown(kind);
        return kind switch
        {
            "cuda" => GpuDevice.Open(new() { Kind = GpuKind.Cuda }),
            "opencl" => GpuDevice.Open(new() { Kind = GpuKind.OpenCL }),
            "emulation" => GpuDevice.Open(new() { Kind = GpuKind.Emulation }),
            _ => threads > 0 ? new CpuDevice(threads) : new CpuDevice(),
        };
    }
}
