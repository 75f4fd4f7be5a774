using Mamba.Gpu.Kernels;
using Mamba.Memory;
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

    internal override void LogitStatistics(in LogitSlice slice)
    {
        (NormRows rows, long groups, (int, int) threads) =
            NormRowsOf(slice.Logits.Shape, slice.Logits.Shape.Width, withSums: false);
        Launch(
            new LogitStatisticsKernel(
                rows,
                RowsOf(slice.Logits),
                slice.FirstClass,
                IntegersOf(slice.Targets),
                slice.IgnoreIndex,
                RowsOf(slice.Statistics)),
            groups,
            threads);
    }

    internal override void MeanLoss(
        IndexArray targets, int ignoreIndex, int counted, DeviceArray statistics, DeviceArray loss)
    {
        using DeviceScope scope = Scope();
        int rows = targets.Length;
        DeviceArray losses = Allocate([rows]);
        Launch(
            new RowLossKernel(rows, IntegersOf(targets), ignoreIndex, RowsOf(statistics), RowsOf(losses)),
            Groups(rows, GroupSize),
            GroupSize);
        Sum(losses, 1.0 / Math.Max(counted, 1), loss);
    }

    internal override void CrossEntropyBackward(
        in LogitSlice slice, int counted, DeviceArray gLoss, DeviceArray gLogits)
    {
        (Plane plane, long groups, (int, int) threads) = PlaneOf(slice.Logits.Shape, flat: false);
        Launch(
            new CrossEntropyBackwardKernel(
                plane,
                RowsOf(slice.Logits),
                slice.FirstClass,
                IntegersOf(slice.Targets),
                slice.IgnoreIndex,
                RowsOf(slice.Statistics),
                (float)(1.0 / Math.Max(counted, 1)),
                RowsOf(gLoss),
                RowsOf(gLogits)),
            groups,
            threads);
    }

    internal override ReadOnlySpan<int> ValuesOf(IndexArray indices) => StorageOf(indices).OnHost;
}
