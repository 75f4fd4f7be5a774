using System.Buffers;
using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void Sum(DeviceArray x, double scale, DeviceArray y)
    {
        RequireScalar(y);
        using DeviceScope scope = Scope();
        DeviceArray parts = SumParts(x, squared: false);
        Launch(new SumKernel(RowsOf(parts), (int)parts.Shape.Rows, Twofold.Of(scale), RowsOf(y)), 1, GroupSize);
    }

    internal override void SumBackward(double scale, DeviceArray gy, DeviceArray gx)
    {
        RequireScalar(gy);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(gx.Shape, gx.IsContiguous);
        Launch(new AddScalarKernel(plane, Twofold.Of(scale), RowsOf(gy), RowsOf(gx)), groups, threads);
    }

    internal override double SumOfSquares(DeviceArray x)
    {
        using DeviceScope scope = Scope();
        DeviceArray parts = SumParts(x, squared: true);
        float[] values = ArrayPool<float>.Shared.Rent((int)parts.Shape.Count);
        Span<float> read = values.AsSpan(0, (int)parts.Shape.Count);
        parts.CopyTo(read);
        double total = 0;
        for (int i = 0; i < read.Length; i += 2)
        {
            total += float.IsFinite(read[i]) ? (double)read[i] + read[i + 1] : read[i];
        }

        ArrayPool<float>.Shared.Return(values);
        return total;
    }

    /// <summary>Partial sums over all elements, two floats each.</summary>
    private DeviceArray SumParts(DeviceArray x, bool squared)
    {
        bool flat = x.IsContiguous;
        long rows = flat ? 1 : (long)x.Shape.Rows, width = flat ? (long)x.Shape.Count : x.Shape.Width;
        long quads = Groups(width, 4) * rows;

        // At most ManyGroups groups, with at least four quads per thread.
        long each = Math.Max(Groups(quads, ManyGroups), 4L * GroupSize);
        int count = checked((int)((quads + each - 1) / each));
        DeviceArray parts = Allocate([count, 2]);
        Launch(
            new SumPartsKernel(RowsOf(x), rows, width, each, squared ? 1 : 0, RowsOf(parts)), count, GroupSize);
        return parts;
    }
}
