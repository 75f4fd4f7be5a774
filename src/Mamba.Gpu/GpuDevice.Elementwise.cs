using Mamba.Gpu.Kernels;
using Mamba.Memory;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Rows that one thread sums into one row of partial sums.</summary>
    private const int PartRows = 32;

    internal override void Fill(DeviceArray y, float value)
    {
        bool flat = y.IsContiguous;
        (Plane plane, long groups, (int, int) threads) = PlaneOf(y.Shape, flat);
        Launch(new FillKernel(plane, RowsOf(y), value), groups, threads);
    }

    internal override void Copy(DeviceArray x, DeviceArray y) => Scale(x, 1f, y);

    internal override void Scale(DeviceArray x, float factor, DeviceArray y)
    {
        RequireSameShape(x, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(x.Shape, AreContiguous(x, y));
        Launch(new ScaleKernel(plane, RowsOf(x), factor, RowsOf(y)), groups, threads);
    }

    internal override void AddScaled(DeviceArray x, float scale, DeviceArray y)
    {
        RequireSameShape(x, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(x.Shape, AreContiguous(x, y));
        Launch(new AddScaledKernel(plane, RowsOf(x), scale, RowsOf(y)), groups, threads);
    }

    internal override void Map<TOp>(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(x.Shape, AreContiguous(x, y));
        Launch(new MapKernel<TOp>(plane, RowsOf(x), RowsOf(y)), groups, threads);
    }

    internal override void MapBackward<TOp>(DeviceArray x, DeviceArray gy, DeviceArray gx)
    {
        RequireSameShape(x, gy);
        RequireSameShape(x, gx);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(x.Shape, AreContiguous(x, gy, gx));
        Launch(new MapBackwardKernel<TOp>(plane, RowsOf(x), RowsOf(gy), RowsOf(gx)), groups, threads);
    }

    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, DeviceArray y)
    {
        RequireSameShape(a, b);
        RequireSameShape(a, y);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(a.Shape, AreContiguous(a, b, y));
        Launch(new ZipKernel<TOp>(plane, RowsOf(a), RowsOf(b), RowsOf(y)), groups, threads);
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        RequireSameShape(a, b);
        RequireSameShape(a, gy);
        DeviceArray.RequireOptional("the gradient of a", ga, a.Shape);
        DeviceArray.RequireOptional("the gradient of b", gb, b.Shape);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(a.Shape, AreContiguous(a, b, gy, ga, gb));
        Launch(
            new ZipBackwardKernel<TOp>(plane, RowsOf(a), RowsOf(b), RowsOf(gy), RowsOf(ga), RowsOf(gb)),
            groups,
            threads);
    }

    internal override void AddColumnSums(DeviceArray x, DeviceArray y)
    {
        DeviceArray.Require("sums", y, [x.Shape.Width]);
        if (x.Shape.Rows == 0)
        {
            return;
        }

        using DeviceScope scope = Scope();
        int count = checked((int)Groups(x.Shape.Rows, PartRows));
        DeviceArray parts = Allocate([count, x.Shape.Width]);
        (_, long columnGroups, (int threads, _)) = PlaneOf([x.Shape.Width], flat: true);
        Launch(
            new ColumnPartsKernel(
                RowsOf(x), x.Shape.Rows, x.Shape.Width, PartRows, (int)columnGroups, RowsOf(parts)),
            count * columnGroups,
            threads);
        AddParts(parts, y);
    }

    /// <summary>Adds the sum of the rows of <paramref name="parts"/> to <paramref name="y"/>.</summary>
    private void AddParts(DeviceArray parts, DeviceArray y)
    {
        // Few columns and many parts: one thread per column would mostly wait for memory.
        int x = Math.Max(1, GroupSize / 32), width = parts.Shape.Width;
        Launch(
            new AddPartsKernel(RowsOf(parts), (int)parts.Shape.Rows, width, VectorOf(y)),
            (Groups(width, 4 * x), 1),
            (x, GroupSize / x));
    }

    private static bool AreContiguous(params ReadOnlySpan<DeviceArray> arrays)
    {
        foreach (DeviceArray array in arrays)
        {
            if (array.Exists && !array.IsContiguous)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Divides rows among threads; if <paramref name="flat"/>, all elements form one row.</summary>
    private (Plane Plane, long Groups, (int X, int Y) Threads) PlaneOf(Shape shape, bool flat)
    {
        (long rows, long width) = flat ? (1L, (long)shape.Count) : ((long)shape.Rows, (long)shape.Width);
        (int x, int y) = ThreadsOf(width);
        y = flat ? 1 : y;
        long columnGroups = Groups(width, 4 * x);
        return (new(rows, width, (int)Math.Max(columnGroups, 1)), columnGroups * Groups(rows, y), (x, y));
    }

    /// <summary>Threads of a group for rows of a width: x threads along a row with four columns each, y rows.</summary>
    private (int X, int Y) ThreadsOf(long width)
    {
        int x = PowerOfTwo(Groups(width, 4), GroupSize);
        return (x, GroupSize / x);
    }
}
