using ILGPU;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void GatherRows(
        DeviceArray x, IndexArray indices, int batch, DeviceArray y, bool accumulate = false)
    {
        RequireGatherable(x, indices, batch, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(y.Shape, flat: false);
        Launch(
            new GatherKernel(
                plane,
                IntegersOf(indices),
                indices.Length,
                x.Shape.Rows / batch,
                RowsOf(x),
                RowsOf(y),
                accumulate ? 1 : 0),
            groups,
            threads);
    }

    internal override void GatherRowsBackward(IndexArray indices, int batch, DeviceArray gy, DeviceArray gx)
    {
        RequireGatherable(gx, indices, batch, gy);
        IndexPlaces places = StorageOf(indices).Places;
        if (places.Values.Length == 0)
        {
            return;
        }

        // A frequent value, such as the id of a space, gets many threads for each column; other values get one.
        using DeviceScope scope = Scope();
        ArrayView<int> values = UploadScratch(places.Values);
        ArrayView<int> starts = UploadScratch(places.Starts), list = UploadScratch(places.Places);
        int few = Math.Max(1, GroupSize / 32), width = gx.Shape.Width;
        Add(0, places.Frequent, few, GroupSize / few);
        Add(places.Frequent, places.Values.Length - places.Frequent, ThreadsOf(width).X, 1);

        void Add(int first, int count, int x, int y)
        {
            int columnGroups = (int)Groups(width, 4 * x);
            Launch(
                new GatherBackwardKernel(
                    values,
                    starts,
                    list,
                    first,
                    count,
                    columnGroups,
                    width,
                    (indices.Length, gx.Shape.Rows / batch),
                    RowsOf(gy),
                    RowsOf(gx)),
                ((long)batch * count * columnGroups, 1),
                (x, y));
        }
    }
}
