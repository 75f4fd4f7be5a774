using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void FillUniform(DeviceArray y, NoiseStream noise)
    {
        RequireContiguous(y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(y.Shape, flat: true);
        Launch(new UniformKernel(plane, noise, RowsOf(y)), groups, threads);
    }

    internal override void Dropout(in DropoutOperation dropout, DeviceArray x, DeviceArray y, bool accumulate)
    {
        RequireSameShape(x, y);
        RequireContiguous(x);
        RequireContiguous(y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(x.Shape, flat: true);
        Launch(
            new DropoutKernel(
                plane,
                dropout.Noise,
                dropout.Group,
                dropout.Threshold,
                dropout.Scale,
                RowsOf(x),
                accumulate ? 1 : 0,
                RowsOf(y)),
            groups,
            threads);
    }
}
