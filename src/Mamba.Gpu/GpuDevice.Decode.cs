using Mamba.Gpu.Cuda;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>
/// Products and choices of a decoding step by kernels in CUDA C, which take the usual case. ILGPU's kernels and cuBLAS
/// take every other one.
/// </content>
public sealed partial class GpuDevice
{
    internal override void RowMaxima(DeviceArray x, DeviceArray y, DeviceArray places)
    {
        if (!HasCudaC || !AreAligned(x, x.Precision == Precision.BFloat16 ? 8 : 4))
        {
            base.RowMaxima(x, y, places);
            return;
        }

        Launch(
            CudaDecode.Largest,
            new CudaLargest
            {
                X = CudaRowsOf(x),
                Y = CudaRowsOf(y),
                Index = AddressOf(places),
                Width = x.Shape.Width,
            },
            (checked((int)x.Shape.Rows), 1),
            (CudaDecode.LargestThreads, 1));
    }

    /// <summary>Computes a product of few rows by tensor cores.</summary>
    /// <returns>Whether it did: x and W are bfloat16 and aligned.</returns>
    private bool TryLinearOfFew(in LinearOperation linear)
    {
        (DeviceArray x, DeviceArray weight) = (linear.X, linear.Weight);
        if (!HasCudaC || x.Shape.Rows is < 1 or > CudaDecode.MostRows || !IsUsual(x) || !IsUsual(weight))
        {
            return false;
        }

        CudaProductPlan plan = new(weight.Shape[0], x.Shape.Width);
        CudaProduct product = new()
        {
            X = CudaRowsOf(x),
            Weight = CudaRowsOf(weight),
            Bias = CudaRowsOf(linear.Bias),
            Start = CudaRowsOf(linear.Start),
            Y = CudaRowsOf(linear.Y),
            Rows = (int)x.Shape.Rows,
            Depth = x.Shape.Width,
            Width = weight.Shape[0],
            Splits = plan.Splits,
        };
        Launch(CudaDecode.ProductOf(product.Rows), product, (plan.Groups, 1), (32 * plan.Warps, 1));
        return true;

        static bool IsUsual(DeviceArray factor) => factor.Precision == Precision.BFloat16
            && factor.Shape.Width % CudaDecode.Step == 0 && AreAligned(factor, CudaDecode.Step);
    }

    /// <summary>Whether every row begins at a multiple of some elements.</summary>
    private static bool AreAligned(DeviceArray array, int elements) =>
        array.Offset % elements == 0 && (array.Pitch % elements == 0 || array.Shape.Rows <= 1);
}
