using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>Selects a device and its numeric options.</summary>
/// <example>
/// <code>
/// using GpuDevice second = GpuDevice.Open(new() { Kind = GpuKind.Cuda, Index = 1 });
/// </code>
/// </example>
public sealed record GpuOptions
{
    /// <summary>The driver of the device; null tries CUDA first, then the GPUs of OpenCL.</summary>
    public GpuKind? Kind { get; init; }

    /// <summary>Index of the device among those of its kind, from 0. Without a kind only GPUs count.</summary>
    public int Index { get; init; }

    /// <summary>
    /// The precision of layer outputs and of the factors of matrix products. Accumulators, the residual stream, states
    /// and gradients are float32. With <see cref="Precision.BFloat16"/>, weights stay float32 for training and are
    /// rounded for each product.
    /// </summary>
    public Precision Precision { get; init; }

    /// <summary>
    /// Whether products of float32 matrices may round their factors to TF32 (10 fraction bits). This is several times
    /// faster on CUDA devices, and has no effect on others.
    /// </summary>
    public bool AllowTensorFloat32 { get; init; }

    /// <summary>
    /// Whether an NVIDIA device of compute capability 8.0 or more runs the kernels that are written in CUDA C, where
    /// there is one for the case; true by default. All others are ILGPU's, which are slower and compute the same.
    /// </summary>
    public bool CudaKernels { get; init; } = true;

    /// <summary>
    /// Threads of an emulated group, a power of two from 4 to 256; each is a CPU thread. Other devices ignore it.
    /// </summary>
    public int EmulatedGroupSize { get; init; } = 4;

    internal void Validate()
    {
        Setting.Require(Enum.IsDefined(Kind ?? default), nameof(Kind), "a kind that has a name, or null", Kind);
        Setting.RequireNotNegative(Index, nameof(Index));
        Setting.Require(
            Precision is Precision.Float32 or Precision.BFloat16, nameof(Precision), "Float32 or BFloat16", Precision);
        Setting.Require(
            EmulatedGroupSize is >= 4 and <= GroupSum.MaxThreads && int.IsPow2(EmulatedGroupSize),
            nameof(EmulatedGroupSize), "a power of two from 4 to 256", EmulatedGroupSize);
    }
}
