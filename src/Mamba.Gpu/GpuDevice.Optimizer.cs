using Mamba.Gpu.Kernels;
using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void AdamWUpdate(
        DeviceArray parameter, DeviceArray gradient, DeviceArray m, DeviceArray v, AdamWStep step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step.Step, 1);
        RequireSameShape(parameter, gradient);
        RequireSameShape(parameter, m);
        RequireSameShape(parameter, v);
        AdamWFactors factors = new(
            (float)step.Decay,
            (float)(1 - step.Beta1),
            (float)(1 - step.Beta2),
            (float)step.CorrectedLearningRate,
            (float)step.RootCorrection,
            (float)step.Epsilon);
        (Plane plane, long groups, (int, int) threads) =
            PlaneOf(parameter.Shape, AreContiguous(parameter, gradient, m, v));
        Launch(
            new AdamWKernel(plane, RowsOf(parameter), RowsOf(gradient), RowsOf(m), RowsOf(v), factors),
            groups,
            threads);
    }
}
