using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>Which device to open, and how it computes.</summary>
/// <example>
/// <code>
/// using GpuDevice second = GpuDevice.Open(new() { Kind = GpuKind.Cuda, Index = 1 });
/// </code>
/// </example>
public sealed record GpuOptions
{
    /// <summary>What drives the device; null: CUDA, or else a GPU by OpenCL.</summary>
    public GpuKind? Kind { get; init; }

    /// <summary>Number of the device among those of its kind, from 0; with no kind, among its GPUs.</summary>
    public int Index { get; init; }

    /// <summary>
    /// How the outputs of layers are stored, and what matrix products multiply; their sums, the residual stream, states
    /// and gradients are float32. With <see cref="Precision.BFloat16"/>, weights stay float32 for training, and are
    /// narrowed for each product.
    /// </summary>
    public Precision Precision { get; init; }

    /// <summary>
    /// Whether products of float32 matrices may round their factors to 10 bits (TF32), which is several times faster on
    /// CUDA devices; it changes nothing elsewhere.
    /// </summary>
    public bool AllowTensorFloat32 { get; init; }

    /// <summary>
    /// Threads of a group that is emulated, a power of two from 4 to 256; each is a thread of the processor. Real
    /// devices choose for themselves.
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
