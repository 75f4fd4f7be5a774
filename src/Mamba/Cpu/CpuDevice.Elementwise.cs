using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <summary>Elements of an item of an elementwise job: a few microseconds of work.</summary>
    private const int ElementsPerItem = 16384;

    internal override void Fill(DeviceArray y, float value)
    {
        Blocks blocks = BlocksOf(y);
        Run(new FillJob(blocks, value, RowsOf(y)), blocks.Count);
    }

    internal override void Copy(DeviceArray x, DeviceArray y)
    {
        if (y.Precision != Precision.Float32)
        {
            RequireSameShape(x, y);
            Narrow(RowsOf(x), y);
        }
        else if (x.Precision != Precision.Float32)
        {
            RequireSameShape(x, y);
            Widen(x, RowsOf(y));
        }
        else
        {
            Map<Elementwise.Identity>(x, y);
        }
    }

    internal override void AddScaled(DeviceArray x, float scale, DeviceArray y)
    {
        RequireSameShape(x, y);
        Blocks blocks = BlocksOf(x, y);
        Run(new AddScaledJob(blocks, RowsOf(x), scale, RowsOf(y)), blocks.Count);
    }

    internal override void Map<TOp>(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        Blocks blocks = BlocksOf(x, y);
        Run(new MapJob<TOp>(blocks, RowsOf(x), RowsOf(y)), blocks.Count);
    }

    internal override void MapBackward<TOp>(DeviceArray x, DeviceArray gy, DeviceArray gx)
    {
        RequireSameShape(x, gy);
        RequireSameShape(x, gx);
        Blocks blocks = BlocksOf(x, gy, gx);
        Run(new MapBackwardJob<TOp>(blocks, RowsOf(x), RowsOf(gy), RowsOf(gx)), blocks.Count);
    }

    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, DeviceArray y)
    {
        RequireSameShape(a, b);
        RequireSameShape(a, y);
        Blocks blocks = BlocksOf(a, b, y);
        Run(new ZipJob<TOp>(blocks, RowsOf(a), RowsOf(b), RowsOf(y)), blocks.Count);
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        RequireSameShape(a, b);
        RequireSameShape(a, gy);
        Blocks blocks = BlocksOf(a, b, gy, ga.Exists ? ga : gy, gb.Exists ? gb : gy);
        Run(
            new ZipBackwardJob<TOp>(blocks, RowsOf(a), RowsOf(b), RowsOf(gy), RowsOf(ga), RowsOf(gb)),
            blocks.Count);
    }

    internal override void AddColumnSums(DeviceArray x, DeviceArray y)
    {
        if (y.Shape.Count != x.Shape.Width)
        {
            throw new ArgumentException($"Expected {x.Shape.Width} sums for {x.Shape}; found {y.Shape}.");
        }

        Run(
            new ColumnSumsJob(RowsOf(x), x.Shape.Rows, x.Shape.Width, StartOf(y)),
            (x.Shape.Width + ColumnSumsJob.Columns - 1) / ColumnSumsJob.Columns);
    }

    /// <summary>Splits an elementwise operation; by whole rows if any array is a slice.</summary>
    private static Blocks BlocksOf(params ReadOnlySpan<DeviceArray> arrays)
    {
        Shape shape = arrays[0].Shape;
        bool contiguous = true;
        foreach (DeviceArray array in arrays)
        {
            contiguous &= array.IsContiguous;
        }

        return contiguous
            ? new(1, shape.Count)
            : new(shape.Rows, shape.Width);
    }

    /// <summary>A matrix cut into pieces: within one long row, or into groups of whole rows.</summary>
    private readonly struct Blocks(nint rows, nint width)
    {
        private readonly nint _rowsPerItem = Math.Max(1, ElementsPerItem / Math.Max(width, 1));

        public int Count => rows == 1
            ? (int)((width + ElementsPerItem - 1) / ElementsPerItem)
            : width == 0 ? 0 : (int)((rows + _rowsPerItem - 1) / _rowsPerItem);

        public (nint Row, nint EndRow, nint Column, nint Length) this[int item]
        {
            get
            {
                nint column = (nint)item * ElementsPerItem, row = item * _rowsPerItem;
                return rows == 1
                    ? (0, 1, column, Math.Min(ElementsPerItem, width - column))
                    : (row, Math.Min(row + _rowsPerItem, rows), 0, width);
            }
        }
    }

    private readonly struct FillJob(Blocks blocks, float value, Rows y) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                new Span<float>(y[row] + column, (int)length).Fill(value);
            }
        }
    }

    private readonly struct AddScaledJob(Blocks blocks, Rows x, float scale, Rows y) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Elementwise.AddScaled(x[row] + column, scale, y[row] + column, length);
            }
        }
    }

    private readonly struct MapJob<TOp>(Blocks blocks, Rows x, Rows y) : IJob
        where TOp : struct, IMap
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Simd.Map.Run<TOp>(x[row] + column, y[row] + column, length);
            }
        }
    }

    private readonly struct MapBackwardJob<TOp>(Blocks blocks, Rows x, Rows gy, Rows gx) : IJob
        where TOp : struct, IMap
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Simd.Map.RunBackward<TOp>(x[row] + column, gy[row] + column, gx[row] + column, length);
            }
        }
    }

    private readonly struct ZipJob<TOp>(Blocks blocks, Rows a, Rows b, Rows y) : IJob
        where TOp : struct, IZip
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Simd.Zip.Run<TOp>(a[row] + column, b[row] + column, y[row] + column, length);
            }
        }
    }

    private readonly struct ZipBackwardJob<TOp>(Blocks blocks, Rows a, Rows b, Rows gy, Rows ga, Rows gb) : IJob
        where TOp : struct, IZip
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Simd.Zip.RunBackward<TOp>(
                    a[row] + column,
                    b[row] + column,
                    gy[row] + column,
                    ga.IsNull ? null : ga[row] + column,
                    gb.IsNull ? null : gb[row] + column,
                    length);
            }
        }
    }

    private readonly struct ColumnSumsJob(Rows x, nint rows, int width, float* y) : IJob
    {
        public const int Columns = 256;

        public void Run(int item)
        {
            int column = item * Columns;
            for (nint row = 0; row < rows; row++)
            {
                Elementwise.AddScaled(x[row] + column, 1f, y + column, Math.Min(Columns, width - column));
            }
        }
    }
}
