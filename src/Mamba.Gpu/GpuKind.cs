namespace Mamba.Gpu;

/// <summary>What drives a device.</summary>
public enum GpuKind
{
    /// <summary>NVIDIA's driver.</summary>
    Cuda,

    /// <summary>An OpenCL driver.</summary>
    OpenCL,

    /// <summary>ILGPU's emulation of a GPU by threads of the processor: for tests, thousands of times slower.</summary>
    Emulation,
}
