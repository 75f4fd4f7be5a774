using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void Norm(in NormOperation norm)
    {
        NormRows rows = new(norm.X.Shape);
        Run(
            new NormJob
            {
                Blocks = rows,
                X = RowsOf(norm.X),
                Residual = RowsOf(norm.Residual),
                Weight = StartOf(norm.Weight),
                Bias = StartOf(norm.Bias),
                Epsilon = norm.Epsilon,
                Centered = norm.Centered,
                Y = RowsOf(norm.Y),
                Sum = RowsOf(norm.Sum),
            },
            rows.Blocks);
    }

    internal override void NormBackward(in NormOperation norm, in NormOperation gradients)
    {
        using DeviceScope scope = Scope();
        NormRows rows = new(norm.X.Shape);
        DeviceArray sums = AllocateNormSums(rows, gradients.Weight, gradients.Bias);
        Run(
            new NormBackwardJob
            {
                Blocks = rows,
                S = RowsOf(norm.Normalized),
                Weight = StartOf(norm.Weight),
                Epsilon = norm.Epsilon,
                Centered = norm.Centered,
                Gy = RowsOf(gradients.Y),
                Gsum = RowsOf(gradients.Sum),
                Gx = RowsOf(gradients.X),
                Gresidual = RowsOf(gradients.Residual),
                Sums = RowsOf(sums),
            },
            rows.Blocks);
        AddNormSums(rows, sums, gradients.Weight, gradients.Bias);
    }

    /// <summary>Partial gradients of weight and bias, one row per block of rows.</summary>
    private DeviceArray AllocateNormSums(NormRows rows, DeviceArray gweight, DeviceArray gbias) =>
        gweight.Exists || gbias.Exists ? Allocate([rows.Blocks, 2 * rows.Width]) : default;

    private void AddNormSums(NormRows rows, DeviceArray sums, DeviceArray gweight, DeviceArray gbias)
    {
        if (gweight.Exists)
        {
            AddColumnSums(sums.Slice(0, rows.Width), gweight);
        }

        if (gbias.Exists)
        {
            AddColumnSums(sums.Slice(rows.Width, rows.Width), gbias);
        }
    }

    /// <summary>The rows of a norm, cut into blocks. The size of a block depends on the width alone.</summary>
    private readonly struct NormRows(Shape shape)
    {
        // At least 16 rows, so that the partial sums stay small beside the rows; at most 256, to limit rounding errors.
        private readonly int _rowsPerBlock = Math.Clamp(2 * ElementsPerItem / Math.Max(shape.Width, 1), 16, 256);
        private readonly nint _rows = shape.Count == 0 ? 0 : shape.Rows;

        public int Width { get; } = shape.Width;

        public int Blocks => checked((int)((_rows + _rowsPerBlock - 1) / _rowsPerBlock));

        public (nint First, nint End) this[int block] =>
            ((nint)block * _rowsPerBlock, Math.Min(((nint)block + 1) * _rowsPerBlock, _rows));

        /// <summary>The block's two rows of sums, set to zero; null if not wanted.</summary>
        public Rows ClearedSums(Rows sums, int block)
        {
            if (sums.IsNull)
            {
                return sums;
            }

            new Span<float>(sums[block], 2 * Width).Clear();
            return new(sums[block], Width);
        }
    }

    private readonly struct NormJob : IJob
    {
        public required NormRows Blocks { get; init; }

        public required Rows X { get; init; }

        public required Rows Residual { get; init; }

        public required float* Weight { get; init; }

        public required float* Bias { get; init; }

        public required float Epsilon { get; init; }

        public required bool Centered { get; init; }

        public required Rows Y { get; init; }

        public required Rows Sum { get; init; }

        public void Run(int item)
        {
            (nint row, nint end) = Blocks[item];
            for (; row < end; row++)
            {
                float* s = X[row];
                if (!Residual.IsNull)
                {
                    s = Sum[row];
                    Simd.Zip.Run<Elementwise.Add>(X[row], Residual[row], s, Blocks.Width);
                }

                Kernels.Norm.Forward(s, Weight, Bias, Epsilon, Centered, Y[row], Blocks.Width);
            }
        }
    }

    private readonly struct NormBackwardJob : IJob
    {
        public required NormRows Blocks { get; init; }

        public required Rows S { get; init; }

        public required float* Weight { get; init; }

        public required float Epsilon { get; init; }

        public required bool Centered { get; init; }

        public required Rows Gy { get; init; }

        public required Rows Gsum { get; init; }

        public required Rows Gx { get; init; }

        public required Rows Gresidual { get; init; }

        public required Rows Sums { get; init; }

        public void Run(int item)
        {
            Rows sums = Blocks.ClearedSums(Sums, item);
            (nint row, nint end) = Blocks[item];
            for (; row < end; row++)
            {
                Kernels.Norm.Backward(
                    S[row],
                    Weight,
                    Epsilon,
                    Centered,
                    Gy[row],
                    Gsum.At(row, 0).Origin,
                    Gx.At(row, 0).Origin,
                    Gresidual.At(row, 0).Origin,
                    sums.At(0, 0).Origin,
                    sums.At(1, 0).Origin,
                    Blocks.Width);
            }
        }
    }
}
