using System.Globalization;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>
/// The text form of a device, for settings: <c>KIND[:NUMBER][,PRECISION]</c>. Examples: <c>cpu</c>, <c>cpu:4</c>,
/// <c>cuda:1</c>, <c>cuda,bfloat16</c>.
/// </summary>
/// <example>
/// <code>
/// using Device device = DeviceName.Parse("cuda:1,bfloat16").Open();
/// </code>
/// </example>
public sealed record DeviceName
{
    /// <summary>All forms of a name, for help texts.</summary>
    public const string Forms =
        "auto[,bfloat16], cpu[:THREADS], cuda[:INDEX][,bfloat16], opencl[:INDEX][,bfloat16], " +
        "emulation[,bfloat16]";

    private DeviceName()
    {
    }

    /// <summary>The GPU and its options; null for the CPU.</summary>
    public GpuOptions? Gpu { get; private init; }

    /// <summary>Number of CPU threads; null for one per core. A GPU ignores it.</summary>
    public int? Threads { get; init; }

    /// <summary>Parses a name in lower case.</summary>
    /// <param name="name">
    /// The kind is <c>cpu</c>, <c>cuda</c>, <c>opencl</c> or <c>emulation</c>. The number is optional: CPU threads, or
    /// the index of a GPU among those of its kind, from 0. The precision is <c>float32</c>, the default, or, on a GPU
    /// only, <c>bfloat16</c>. <c>auto</c> is <c>cuda</c> if this machine has such a device, and <c>cpu</c>, always in
    /// float32, if it has none.
    /// </param>
    /// <param name="setting">Name of the setting; error messages begin with it.</param>
    /// <returns>The device name; the device need not exist on this machine.</returns>
    /// <exception cref="FormatException">The name has another form, or a number is out of range.</exception>
    public static DeviceName Parse(string name, string setting = "device")
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split(',', 2), place = parts[0].Split(':', 2);
        GpuKind? kind = place[0] switch
        {
            "auto" when place.Length > 1 => throw Refusal("auto without a number"),
            "auto" => GpuDevice.Find().Any(found => found.Kind == GpuKind.Cuda) ? GpuKind.Cuda : null,
            "cpu" => null,
            "cuda" => GpuKind.Cuda,
            "opencl" => GpuKind.OpenCL,
            "emulation" => GpuKind.Emulation,
            _ => throw Refusal("auto, cpu, cuda, opencl or emulation"),
        };
        int? number = place.Length == 1 ? null
            : kind == GpuKind.Emulation ? throw Refusal("emulation without a number")
            : int.TryParse(place[1], NumberStyles.None, CultureInfo.InvariantCulture, out int given)
                && (kind is not null || given is >= 1 and <= CpuDevice.MaxThreads) ? given
            : kind is not null ? throw Refusal($"{place[0]}:INDEX, with an index from 0")
            : throw Refusal($"cpu:THREADS, with 1 to {CpuDevice.MaxThreads} threads");
        Precision precision = parts.Length == 1 ? Precision.Float32 : parts[1] switch
        {
            "float32" => Precision.Float32,
            "bfloat16" when kind is not null || place[0] == "auto" => Precision.BFloat16,
            "bfloat16" => throw Refusal("float32, the only precision of cpu"),
            _ => throw Refusal("float32 or bfloat16 after the comma"),
        };
        return kind is null
            ? new() { Threads = number }
            : new() { Gpu = new() { Kind = kind, Index = number ?? 0, Precision = precision } };

        FormatException Refusal(string expected) => new($"{setting}: expected {expected}; found \"{name}\".");
    }

    /// <summary>Opens the device.</summary>
    /// <returns>The device; the caller disposes it.</returns>
    /// <exception cref="NotSupportedException">
    /// The GPU does not exist; the message says which GPUs do, or why none does.
    /// </exception>
    public Device Open() => Gpu is null ? new CpuDevice(Threads) : GpuDevice.Open(Gpu);
}
