using ILGPU;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void AxisExtremum(
        DeviceArray x, in AxisView view, bool largest, DeviceArray y, DeviceArray places)
    {
        RequireAxis(view, x, y);
        RequireElements(view, x);
        using DeviceScope scope = Scope();
        (DeviceArray from, DeviceArray earlier, AxisView left) = (x, default, view);
        while (left.Count > AxisPartRows)
        {
            nint parts = (nint)Groups(left.Count, AxisPartRows);
            Shape shape = RowsShape(left.Outer * parts, left.Inner);
            DeviceArray best = Allocate(shape), found = places.Exists ? Allocate(shape) : default;
            ChooseRows(from, left, parts, largest, best, found, earlier);
            (from, earlier, left) = (best, found, left with { Count = parts });
        }

        ChooseRows(from, left, 1, largest, y, places, earlier);
    }

    internal override void AxisExtremumBackward(DeviceArray places, in AxisView view, DeviceArray gy, DeviceArray gx)
    {
        RequireAxis(view, gx, gy);
        Launch(
            new AxisExtremumBackwardKernel(
                view.Kept,
                view.Inner,
                view.Count,
                PlacesOf(places),
                RowsOf(gy, RowsShape(view.Outer, view.Inner)),
                RowsOf(gx, RowsShape(view.Outer * view.Count, view.Inner))),
            Groups(view.Kept, GroupSize),
            GroupSize);
    }

    private void ChooseRows(
        DeviceArray x,
        AxisView view,
        nint parts,
        bool largest,
        DeviceArray y,
        DeviceArray places,
        DeviceArray earlier)
    {
        nint total = view.Outer * parts * view.Inner;
        Launch(
            new AxisExtremumKernel(
                total,
                view.Inner,
                new(view.Count, parts, AxisPartRows),
                RowsOf(x, RowsShape(view.Outer * view.Count, view.Inner)),
                largest ? 0 : 1,
                RowsOf(y, RowsShape(view.Outer * parts, view.Inner)),
                PlacesOf(places),
                !places.Exists ? AxisExtremumKernel.None
                    : earlier.Exists ? AxisExtremumKernel.OfParts : AxisExtremumKernel.First,
                PlacesOf(earlier)),
            Groups(total, GroupSize),
            GroupSize);
    }

    /// <summary>The memory of an array as integers; <c>default</c> if the array is absent.</summary>
    private ArrayView<int> PlacesOf(DeviceArray array) =>
        array.Exists
            ? ((GpuStorage)Resolve(array.Storage)).Integers.SubView(array.Offset, array.Shape.Count)
            : default;
}
