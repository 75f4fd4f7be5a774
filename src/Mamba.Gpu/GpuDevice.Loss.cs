using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void Softmax(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        (NormRows rows, long groups, (int, int) threads) = NormRowsOf(x.Shape, x.Shape.Width, withSums: false);
        Launch(new SoftmaxKernel(rows, RowsOf(x), RowsOf(y)), groups, threads);
    }

    internal override void SoftmaxBackward(DeviceArray y, DeviceArray gy, DeviceArray gx)
    {
        RequireSameShape(y, gy);
        RequireSameShape(y, gx);
        (NormRows rows, long groups, (int, int) threads) = NormRowsOf(y.Shape, y.Shape.Width, withSums: false);
        Launch(new SoftmaxBackwardKernel(rows, RowsOf(y), RowsOf(gy), RowsOf(gx)), groups, threads);
    }

    internal override void CrossEntropy(
        DeviceArray logits, IndexArray targets, int ignoreIndex, DeviceArray statistics, DeviceArray loss)
    {
        RequireTargets(logits, targets, statistics);
        RequireScalar(loss);
        int counted = CountTargets(StorageOf(targets).OnHost, ignoreIndex, logits.Shape.Width);
        using DeviceScope scope = Scope();
        DeviceArray losses = Allocate([targets.Length]);
        (NormRows rows, long groups, (int, int) threads) =
            NormRowsOf(logits.Shape, logits.Shape.Width, withSums: false);
        Launch(
            new CrossEntropyKernel(
                rows, RowsOf(logits), IntegersOf(targets), ignoreIndex, RowsOf(statistics), RowsOf(losses)),
            groups,
            threads);
        Sum(losses, 1.0 / Math.Max(counted, 1), loss);
    }

    internal override void CrossEntropyBackward(
        DeviceArray logits,
        IndexArray targets,
        int ignoreIndex,
        DeviceArray statistics,
        DeviceArray gLoss,
        DeviceArray gLogits)
    {
        RequireTargets(logits, targets, statistics);
        RequireScalar(gLoss);
        RequireSameShape(logits, gLogits);
        int counted = CountTargets(StorageOf(targets).OnHost, ignoreIndex, logits.Shape.Width);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(logits.Shape, flat: false);
        Launch(
            new CrossEntropyBackwardKernel(
                plane,
                RowsOf(logits),
                IntegersOf(targets),
                ignoreIndex,
                RowsOf(statistics),
                (float)(1.0 / Math.Max(counted, 1)),
                RowsOf(gLoss),
                RowsOf(gLogits)),
            groups,
            threads);
    }
}
