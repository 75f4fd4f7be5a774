using Mamba.Gpu.Kernels;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>The most rows of an axis that one thread reduces. Longer axes are reduced in parts.</summary>
    /// <remarks>The results of the parts are reduced in the same way.</remarks>
    private const int AxisPartRows = 32;

    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, in AxisView view, DeviceArray y)
    {
        RequireAxis(view, a, b);
        RequireSameShape(a, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(PlaneShapeOf(view), flat: false);
        Launch(new AxisZipKernel<TOp>(plane, WholeOf(a, view), KeptOf(b, view), WholeOf(y, view)), groups, threads);
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, in AxisView view, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        RequireAxis(view, a, b);
        RequireSameShape(a, gy);
        using DeviceScope scope = Scope();
        DeviceArray terms = gb.Exists ? Allocate(a.Shape) : default;
        (Plane plane, long groups, (int, int) threads) = PlaneOf(PlaneShapeOf(view), flat: false);
        Launch(
            new AxisZipBackwardKernel<TOp>(
                plane,
                WholeOf(a, view),
                KeptOf(b, view),
                WholeOf(gy, view),
                WholeOf(ga, view),
                WholeOf(terms, view)),
            groups,
            threads);
        if (gb.Exists)
        {
            SumAxis(terms, view, 1, gb, accumulate: true);
        }
    }

    internal override void ScaleShift(in ScaleShiftOperation operation)
    {
        AxisView view = operation.View;
        RequireAxis(view, operation.X, operation.Scale);
        RequireAxis(view, operation.X, operation.Shift);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(PlaneShapeOf(view), flat: false);
        Launch(
            new AxisScaleShiftKernel(
                plane,
                WholeOf(operation.X, view),
                KeptOf(operation.Scale, view),
                KeptOf(operation.Shift, view),
                WholeOf(operation.Y, view)),
            groups,
            threads);
    }

    internal override void ScaleShiftBackward(in ScaleShiftOperation operation, in ScaleShiftOperation gradients)
    {
        if (gradients.X.Exists || gradients.Scale.Exists)
        {
            ZipBackward<Elementwise.Multiply>(
                operation.X, operation.Scale, operation.View, gradients.Y, gradients.X, gradients.Scale);
        }

        if (gradients.Shift.Exists)
        {
            SumAxis(gradients.Y, operation.View, 1, gradients.Shift, accumulate: true);
        }
    }

    internal override void SumAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, x, y);
        using DeviceScope scope = Scope();
        (DeviceArray from, AxisView left) = (x, view);
        while (left.Count > AxisPartRows)
        {
            nint parts = (nint)Groups(left.Count, AxisPartRows);
            DeviceArray sums = Allocate(RowsShape(left.Outer * parts, left.Inner));
            AddRows(from, left, parts, 1f, sums, accumulate: false);
            (from, left) = (sums, left with { Count = parts });
        }

        AddRows(from, left, 1, (float)scale, y, accumulate);
    }

    internal override void RepeatAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, y, x);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(PlaneShapeOf(view), flat: false);
        Launch(
            new AxisRepeatKernel(plane, KeptOf(x, view), (float)scale, accumulate ? 1 : 0, WholeOf(y, view)),
            groups,
            threads);
    }

    private void AddRows(DeviceArray x, AxisView view, nint parts, float scale, DeviceArray y, bool accumulate)
    {
        Shape shape = RowsShape(view.Outer * parts, view.Inner);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(shape, flat: false);
        Launch(
            new AxisSumKernel(
                plane,
                RowsOf(x, RowsShape(view.Outer * view.Count, view.Inner)),
                new(view.Count, parts, AxisPartRows),
                scale,
                accumulate ? 1 : 0,
                RowsOf(y, shape)),
            groups,
            threads);
    }

    /// <summary>Rows of inner; rows of count if inner is 1.</summary>
    private static Shape PlaneShapeOf(in AxisView view) => view.Inner == 1
        ? RowsShape(view.Outer, view.Count)
        : RowsShape(view.Outer * view.Count, view.Inner);

    private GpuRows WholeOf(DeviceArray array, in AxisView view) => RowsOf(array, PlaneShapeOf(view));

    private KeptRows KeptOf(DeviceArray array, in AxisView view) =>
        new(RowsOf(array, RowsShape(view.Outer, view.Inner)), view.Count, view.Inner == 1 ? 1 : 0);

    /// <summary>Views a contiguous array as rows of another shape; <c>default</c> if it is absent.</summary>
    private GpuRows RowsOf(DeviceArray array, Shape shape)
    {
        if (!array.Exists)
        {
            return default;
        }

        RequireContiguous(array);
        return RowsOf(array.Reshape(shape));
    }

    private static Shape RowsShape(nint rows, nint width) => [checked((int)rows), checked((int)width)];
}
