using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Groups that keep a large device busy.</summary>
    private const int ManyGroups = 1024;

    internal override void Norm(
        DeviceArray x,
        DeviceArray residual,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        bool centered,
        DeviceArray y,
        DeviceArray sum)
    {
        RequireNorm(x, weight, bias, y, residual, sum);
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(x.Shape, x.Shape.Width, withSums: false);
        Launch(
            new NormKernel(
                rows,
                RowsOf(x),
                RowsOf(residual),
                VectorOf(weight),
                VectorOf(bias),
                epsilon,
                centered ? 1 : 0,
                RowsOf(y),
                RowsOf(sum)),
            (blocks, 1),
            threads);
    }

    internal override void NormBackward(
        DeviceArray s,
        DeviceArray weight,
        float epsilon,
        bool centered,
        DeviceArray gy,
        DeviceArray gsum,
        DeviceArray gx,
        DeviceArray gresidual,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        RequireNorm(s, weight, gbias, gy, gsum, gx, gresidual);
        using DeviceScope scope = Scope();
        bool withSums = gweight.Exists || gbias.Exists;
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(s.Shape, s.Shape.Width, withSums);
        DeviceArray weightParts = AllocateParts(gweight, blocks), biasParts = AllocateParts(gbias, blocks);
        Launch(
            new NormBackwardKernel(
                rows,
                RowsOf(s),
                VectorOf(weight),
                epsilon,
                centered ? 1 : 0,
                RowsOf(gy),
                RowsOf(gsum),
                RowsOf(gx),
                RowsOf(gresidual),
                new(RowsOf(weightParts), RowsOf(biasParts))),
            (blocks, 1),
            threads);
        AddPartsIfWanted(weightParts, gweight);
        AddPartsIfWanted(biasParts, gbias);
    }

    /// <summary>Rows, or parts of rows, for their norms: blocks of rows that one group has, and its threads.</summary>
    private (NormRows Rows, long Blocks, (int X, int Y) Threads) NormRowsOf(Shape shape, int partWidth, bool withSums)
    {
        (int x, int y) = ThreadsOf(partWidth);
        long rows = shape.Count == 0 ? 0 : (long)shape.Rows;

        // A group has some rows, so that its partial sums stay small beside them.
        int steps = withSums ? (int)Math.Clamp(rows / ((long)ManyGroups * y), 4, 256) : 1;
        return (new(rows, partWidth, shape.Width / Math.Max(partWidth, 1), steps), Groups(rows, y * steps), (x, y));
    }

    /// <summary>A row of partial sums for each block, where their sum is wanted.</summary>
    private DeviceArray AllocateParts(DeviceArray gradient, long blocks) =>
        gradient.Exists ? Allocate([checked((int)blocks), gradient.Shape.Width]) : default;

    private void AddPartsIfWanted(DeviceArray parts, DeviceArray gradient)
    {
        if (gradient.Exists)
        {
            AddParts(parts, gradient);
        }
    }
}
