namespace Mamba.Gpu;

/// <summary>The driver of a device.</summary>
/// <example>
/// <code>
/// using GpuDevice emulated = GpuDevice.Open(new() { Kind = GpuKind.Emulation }); // slow, for tests
/// </code>
/// </example>
public enum GpuKind
{
    /// <summary>NVIDIA's driver.</summary>
    Cuda,

    /// <summary>An OpenCL driver.</summary>
    OpenCL,

    /// <summary>ILGPU's emulation of a GPU by CPU threads: for tests, thousands of times slower.</summary>
    Emulation,
}
