using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void MatMul(
        DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c, bool accumulate)
    {
        (nint m, nint n, nint k) = MatMulSizes(a, transposeA, b, transposeB, c);
        using DeviceScope scope = Scope();
        (a, b) = (Widened(a), Widened(b));
        Rows target = RowsOf(c);
        MultiplyPacked(
            new(RowsOf(a), alongDepth: !transposeA),
            new(RowsOf(b), alongDepth: transposeB),
            m,
            n,
            k,
            accumulate ? target : default,
            target);
    }

    internal override void Linear(in LinearOperation linear)
    {
        (DeviceArray x, DeviceArray weight) = (linear.X, linear.Weight);
        Rows input = RowsOf(x), output = RowsOf(linear.Y);
        float* b = StartOf(linear.Bias);
        Rows start = RowsOf(linear.Start);
        nint rows = x.Shape.Rows;
        int columns = weight.Shape[0];

        // The length decides, not the number of rows, so that a sequence gives the same bits alone and in a batch.
        int length = x.Shape.Rank == 1 ? 1 : x.Shape[^2];
        if (length <= MostFewRows(x.Shape.Width))
        {
            UseWeights(weight, new FewRowsUse(input, rows, columns, b, start, output));
            return;
        }

        if (start.IsNull)
        {
            start = new(b, 0);
        }
        else if (b != null)
        {
            // The sums of a packed product start from one array. This is the only case with a pass of its own.
            CopyUnlessSame(linear.Start, linear.Y);
            Zip<Elementwise.Add>(linear.Y, linear.Bias, new(1, rows, columns), linear.Y);
            start = output;
        }

        if (weight.Precision == Precision.Float32)
        {
            MatMulFactor factor = new(RowsOf(weight), alongDepth: true);
            MultiplyPacked(new(input, alongDepth: true), factor, rows, columns, x.Shape.Width, start, output);
        }
        else
        {
            UseWeights(weight, new PackedUse(new(input, alongDepth: true), rows, columns, start, output));
        }
    }

    /// <summary>The longest sequence for which W is not packed; beyond it, packing pays off.</summary>
    /// <remarks>
    /// Measured. Packing pays off earlier for short rows of W, because each sum ends with an addition across lanes, and
    /// with 16 instead of 32 registers, because the tile is smaller.
    /// </remarks>
    private static int MostFewRows(int depth) =>
        depth >= 768 && Width.Has512 ? 96 : Math.Clamp(depth / 16, 4, 48);

    /// <summary>The array itself if it is float32, else a float32 copy in the current scope.</summary>
    private DeviceArray Widened(DeviceArray array)
    {
        if (array.Precision == Precision.Float32)
        {
            return array;
        }

        DeviceArray wide = Allocate(array.Shape);
        Widen(array, RowsOf(wide));
        return wide;
    }

    private void MultiplyPacked(MatMulFactor a, MatMulFactor b, nint m, nint n, nint k, Rows start, Rows target)
    {
        if (m == 0 || n == 0)
        {
            return;
        }

        if (k == 0)
        {
            SetRows(start, target, m, (int)n);
        }
        else if (Width.Has512)
        {
            MultiplyPacked<Lanes512>(a, b, m, n, k, start, target);
        }
        else if (Width.Has256)
        {
            MultiplyPacked<Lanes256>(a, b, m, n, k, start, target);
        }
        else if (Width.Has128)
        {
            MultiplyPacked<Lanes128>(a, b, m, n, k, start, target);
        }
        else
        {
            MultiplyPacked<Lane>(a, b, m, n, k, start, target);
        }
    }

    private void MultiplyPacked<TLanes>(
        MatMulFactor a, MatMulFactor b, nint m, nint n, nint k, Rows start, Rows target)
        where TLanes : struct, ILanes<TLanes>
    {
        MatMulPlan plan = new(m, n, k, MatMulSlab<TLanes>.PanelWidth);
        using DeviceScope scope = Scope();
        float* packed = StartOf(Allocate([checked((int)plan.SlabFloats)]));
        nint slabColumns = plan.SlabPanels * plan.PanelWidth;
        for (nint first = 0; first < k; first += plan.SlabDepth)
        {
            for (nint column = 0; column < n; column += slabColumns)
            {
                MultiplySlab<TLanes>(new()
                {
                    Plan = plan,
                    A = a,
                    B = b,
                    Rows = m,
                    Column = column,
                    Columns = Math.Min(slabColumns, n - column),
                    K = first,
                    Depth = Math.Min(plan.SlabDepth, k - first),
                    Start = first == 0 ? start : target,
                    Target = target,
                    Packed = packed,
                });
            }
        }
    }

    private void MultiplySlab<TLanes>(MatMulSlab<TLanes> slab)
        where TLanes : struct, ILanes<TLanes>
    {
        if (slab.RowGroups == 1)
        {
            // Every panel is used by one item, which packs it itself and then reads it from cache.
            Run(new PackAndMultiplyJob<TLanes>(slab), (int)slab.PanelGroups);
            return;
        }

        Run(new PackJob<TLanes>(slab), (int)(slab.Panels * slab.Blocks));
        Run(new MultiplyJob<TLanes>(slab), checked((int)(slab.RowGroups * slab.PanelGroups)));
    }

    /// <summary>Sets a product of depth 0: the initial values of the sums.</summary>
    private static void SetRows(Rows start, Rows target, nint rows, int width)
    {
        for (nint row = 0; row < rows; row++)
        {
            if (start.IsNull)
            {
                new Span<float>(target[row], width).Clear();
            }
            else
            {
                new ReadOnlySpan<float>(start[row], width).CopyTo(new(target[row], width));
            }
        }
    }

    private readonly struct PackJob<TLanes>(MatMulSlab<TLanes> slab) : IJob
        where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int item) => slab.Pack(item / slab.Blocks, item % slab.Blocks);
    }

    private readonly struct MultiplyJob<TLanes>(MatMulSlab<TLanes> slab) : IJob
        where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int item) => slab.Multiply(item % slab.RowGroups, item / slab.RowGroups);
    }

    private readonly struct PackAndMultiplyJob<TLanes>(MatMulSlab<TLanes> slab) : IJob
        where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int item) => slab.PackAndMultiply(0, item);
    }
}
