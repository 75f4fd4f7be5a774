using Mamba.Devices;
using Mamba.Gpu.Kernels;
using Mamba.Operations;

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

    internal override void CrossEntropy(in CrossEntropyOperation loss)
    {
        int counted = loss.CountTargets(StorageOf(loss.Targets).OnHost);
        using DeviceScope scope = Scope();
        DeviceArray losses = Allocate([loss.Targets.Length]);
        (NormRows rows, long groups, (int, int) threads) =
            NormRowsOf(loss.Logits.Shape, loss.Classes, withSums: false);
        Launch(
            new CrossEntropyKernel(
                rows,
                RowsOf(loss.Logits),
                IntegersOf(loss.Targets),
                loss.IgnoreIndex,
                RowsOf(loss.Statistics),
                RowsOf(losses)),
            groups,
            threads);
        Sum(losses, 1.0 / Math.Max(counted, 1), loss.Loss);
    }

    internal override void CrossEntropyBackward(in CrossEntropyOperation loss, in CrossEntropyOperation gradients)
    {
        int counted = loss.CountTargets(StorageOf(loss.Targets).OnHost);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(loss.Logits.Shape, flat: false);
        Launch(
            new CrossEntropyBackwardKernel(
                plane,
                RowsOf(loss.Logits),
                IntegersOf(loss.Targets),
                loss.IgnoreIndex,
                RowsOf(loss.Statistics),
                (float)(1.0 / Math.Max(counted, 1)),
                RowsOf(gradients.Loss),
                RowsOf(gradients.Logits)),
            groups,
            threads);
    }
}
