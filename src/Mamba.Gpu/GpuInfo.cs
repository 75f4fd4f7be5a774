using System.Globalization;

namespace Mamba.Gpu;

/// <summary>Describes a device of this machine.</summary>
/// <param name="Kind">The driver of the device.</param>
/// <param name="Index">Index among the devices of this kind, from 0.</param>
/// <param name="Name">Name, as the driver reports it.</param>
/// <param name="MemoryBytes">Size of the device's memory in bytes.</param>
/// <param name="Capability">Compute capability (CUDA: <c>9.0</c>) or version (<c>OpenCL 3.0</c>).</param>
/// <example>
/// <code>
/// foreach (GpuInfo gpu in GpuDevice.Find())
/// {
///     Console.WriteLine($"{gpu.Name}: {gpu.MemoryBytes / 1e9:f0} GB");
/// }
/// </code>
/// </example>
public sealed record GpuInfo(GpuKind Kind, int Index, string Name, long MemoryBytes, string Capability)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Kind} {Index}: {Name}, {MemoryBytes / 1e9:0.0} GB, {Capability}");
}
