namespace Mamba.Gpu;

/// <summary>The driver of a device.</summary>
public enum GpuKind
{
    /// <summary>NVIDIA's driver.</summary>
    Cuda,

    /// <summary>An OpenCL driver.</summary>
    OpenCL,

    /// <summary>ILGPU's emulation of a GPU by CPU threads: for tests, thousands of times slower.</summary>
    Emulation,
}
