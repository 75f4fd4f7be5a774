using System.Globalization;
using Mamba.Devices;
using Mamba.Gpu;

namespace Mamba.Conformance;

/// <summary>The device that a name on the command line means.</summary>
internal static class DeviceChoice
{
    public const string Names = "cpu, cpu:THREADS, cuda, cuda:INDEX, opencl, opencl:INDEX, emulation";

    /// <summary>Opens the device.</summary>
    /// <exception cref="NotSupportedException">There is none of that name, or of that precision.</exception>
    public static Device Open(string name, string precision)
    {
        string[] parts = name.Split(':', 2);
        int? number = parts.Length == 1 ? null
            : int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? given
            : throw new NotSupportedException($"\"{name}\" names no device.");
        Precision stored = precision switch
        {
            "float32" => Precision.Float32,
            "bfloat16" => Precision.BFloat16,
            _ => throw new NotSupportedException($"\"{precision}\" is no precision."),
        };
        return parts[0] switch
        {
            "cpu" when stored == Precision.Float32 && number is null or (>= 1 and <= CpuDevice.MaxThreads) =>
                number is { } threads ? new CpuDevice(threads) : new CpuDevice(),
            "cuda" => GpuDevice.Open(new() { Kind = GpuKind.Cuda, Index = number ?? 0, Precision = stored }),
            "opencl" => GpuDevice.Open(new() { Kind = GpuKind.OpenCL, Index = number ?? 0, Precision = stored }),
            "emulation" when number is null => GpuDevice.Open(new() { Kind = GpuKind.Emulation, Precision = stored }),
            _ => throw new NotSupportedException($"There is no device \"{name}\" of {precision}."),
        };
    }
}
