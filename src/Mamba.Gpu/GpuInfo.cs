using System.Globalization;

namespace Mamba.Gpu;

/// <summary>A device that this machine has.</summary>
/// <param name="Kind">What drives it.</param>
/// <param name="Index">Its number among the devices of this kind, from 0.</param>
/// <param name="Name">Its name, as its driver has it.</param>
/// <param name="MemoryBytes">Size of its memory.</param>
/// <param name="Capability">What it can do, as its driver has it: <c>9.0</c> for CUDA, <c>OpenCL 3.0</c>.</param>
public sealed record GpuInfo(GpuKind Kind, int Index, string Name, long MemoryBytes, string Capability)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Kind} {Index}: {Name}, {MemoryBytes / 1e9:0.0} GB, {Capability}");
}
