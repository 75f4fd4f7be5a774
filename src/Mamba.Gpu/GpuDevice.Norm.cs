using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Number of groups that fills a large device.</summary>
    private const int ManyGroups = 1024;

    internal override void Norm(in NormOperation norm)
    {
        (NormRows rows, long blocks, (int, int) threads) =
            NormRowsOf(norm.X.Shape, norm.X.Shape.Width, withSums: false);
        Launch(
            new NormKernel(
                rows,
                RowsOf(norm.X),
                RowsOf(norm.Residual),
                VectorOf(norm.Weight),
                VectorOf(norm.Bias),
                norm.Epsilon,
                norm.Centered ? 1 : 0,
                RowsOf(norm.Y),
                RowsOf(norm.Sum)),
            (blocks, 1),
            threads);
    }

    internal override void NormBackward(in NormOperation norm, in NormOperation gradients)
    {
        using DeviceScope scope = Scope();
        bool withSums = gradients.Weight.Exists || gradients.Bias.Exists;
        (NormRows rows, long blocks, (int, int) threads) = NormRowsOf(norm.X.Shape, norm.X.Shape.Width, withSums);
        DeviceArray weightParts = AllocateParts(gradients.Weight, blocks);
        DeviceArray biasParts = AllocateParts(gradients.Bias, blocks);
        Launch(
            new NormBackwardKernel(
                rows,
                RowsOf(norm.Normalized),
                VectorOf(norm.Weight),
                norm.Epsilon,
                norm.Centered ? 1 : 0,
                RowsOf(gradients.Y),
                RowsOf(gradients.Sum),
                RowsOf(gradients.X),
                RowsOf(gradients.Residual),
                new(RowsOf(weightParts), RowsOf(biasParts))),
            (blocks, 1),
            threads);
        AddPartsIfWanted(weightParts, gradients.Weight);
        AddPartsIfWanted(biasParts, gradients.Bias);
    }

    /// <summary>Divides the rows of a norm, or equal parts of them, into blocks, one per group.</summary>
    private (NormRows Rows, long Blocks, (int X, int Y) Threads) NormRowsOf(Shape shape, int partWidth, bool withSums)
    {
        (int x, int y) = ThreadsOf(partWidth);
        long rows = shape.Count == 0 ? 0 : (long)shape.Rows;

        // Several rows per group keep the partial sums small compared with the rows.
        int steps = withSums ? (int)Math.Clamp(rows / ((long)ManyGroups * y), 4, 256) : 1;
        return (new(rows, partWidth, shape.Width / Math.Max(partWidth, 1), steps), Groups(rows, y * steps), (x, y));
    }

    /// <summary>Partial sums of a gradient, one row per block; absent if the gradient is absent.</summary>
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
