using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void SwapAxes(DeviceArray x, in SwapView view, DeviceArray y, bool accumulate)
    {
        RequireSwap(view, x, y);
        int add = accumulate ? 1 : 0;
        if (view.Inner == 1)
        {
            Shape shape = RowsShape(view.Outer * view.Second, view.First);
            GpuRows from = RowsOf(x, RowsShape(view.Outer * view.First, view.Second));
            (Plane plane, long groups, (int, int) threads) = PlaneOf(shape, flat: false);
            Launch(new SwapColumnsKernel(plane, from, view.Second, add, RowsOf(y, shape)), groups, threads);
        }
        else
        {
            Shape shape = RowsShape(view.Outer * view.First * view.Second, view.Inner);
            (Plane plane, long groups, (int, int) threads) = PlaneOf(shape, flat: false);
            Launch(
                new SwapRowsKernel(plane, RowsOf(x, shape), view.First, view.Second, add, RowsOf(y, shape)),
                groups,
                threads);
        }
    }
}
