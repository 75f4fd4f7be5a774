using Mamba.Gpu.Kernels;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void TopK(in TopKOperation top)
    {
        int width = top.X.Shape.Width;
        Launch(
            new TopKKernel(RowsOf(top.X), width, top.Count, RowsOf(top.Y), PlacesOf(top.Places)),
            top.X.Shape.Rows,
            PowerOfTwo(width, GroupSize));
    }

    internal override void TopKBackward(in TopKOperation top, in TopKOperation gradients)
    {
        long total = (long)top.Y.Shape.Count;
        Launch(
            new TopKBackwardKernel(
                total, top.Count, PlacesOf(top.Places), RowsOf(gradients.Y), RowsOf(gradients.X)),
            Groups(total, GroupSize),
            GroupSize);
    }
}
