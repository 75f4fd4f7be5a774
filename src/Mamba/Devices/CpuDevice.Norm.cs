using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
{
    internal override void Norm(
        DeviceArray x,
        DeviceArray residual,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        bool centered,
        DeviceArray y,
        DeviceArray sum)
    {
        RequireNorm(x, weight, bias, y, residual, sum);
        NormRows rows = new(x.Shape);
        Run(
            new NormJob(
                rows,
                RowsOf(x),
                RowsOf(residual),
                StartOf(weight),
                StartOf(bias),
                epsilon,
                centered,
                RowsOf(y),
                RowsOf(sum)),
            rows.Blocks);
    }

    internal override void NormBackward(
        DeviceArray s,
        DeviceArray weight,
        float epsilon,
        bool centered,
        DeviceArray gy,
        DeviceArray gsum,
        DeviceArray gx,
        DeviceArray gresidual,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        RequireNorm(s, weight, gbias, gy, gsum, gx, gresidual);
        using DeviceScope scope = Scope();
        NormRows rows = new(s.Shape);
        DeviceArray sums = AllocateNormSums(rows, gweight, gbias);
        Run(
            new NormBackwardJob(
                rows,
                RowsOf(s),
                StartOf(weight),
                epsilon,
                centered,
                RowsOf(gy),
                RowsOf(gsum),
                RowsOf(gx),
                RowsOf(gresidual),
                RowsOf(sums)),
            rows.Blocks);
        AddNormSums(rows, sums, gweight, gbias);
    }

    /// <summary>For each block of rows the gradients of weight and bias, from these rows alone.</summary>
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

    /// <summary>The rows of a norm, cut into blocks that depend on their width alone.</summary>
    private readonly struct NormRows(Shape shape)
    {
        // At least 16, so that a sum for each block stays small beside the rows; at most 256, so that it rounds well.
        private readonly int _rowsPerBlock = Math.Clamp(2 * ElementsPerItem / Math.Max(shape.Width, 1), 16, 256);
        private readonly nint _rows = shape.Count == 0 ? 0 : shape.Rows;

        public int Width { get; } = shape.Width;

        public int Blocks => checked((int)((_rows + _rowsPerBlock - 1) / _rowsPerBlock));

        public (nint First, nint End) this[int block] =>
            ((nint)block * _rowsPerBlock, Math.Min(((nint)block + 1) * _rowsPerBlock, _rows));

        /// <summary>The block's two rows of sums, set to zero; null where they are not wanted.</summary>
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

    private readonly struct NormJob(
        NormRows rows,
        Rows x,
        Rows residual,
        float* weight,
        float* bias,
        float epsilon,
        bool centered,
        Rows y,
        Rows sum)
        : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end) = rows[item];
            for (; row < end; row++)
            {
                float* s = x[row];
                if (!residual.IsNull)
                {
                    s = sum[row];
                    Simd.Zip.Run<Elementwise.Add>(x[row], residual[row], s, rows.Width);
                }

                Kernels.Norm.Forward(s, weight, bias, epsilon, centered, y[row], rows.Width);
            }
        }
    }

    private readonly struct NormBackwardJob(
        NormRows rows,
        Rows s,
        float* weight,
        float epsilon,
        bool centered,
        Rows gy,
        Rows gsum,
        Rows gx,
        Rows gresidual,
        Rows sums)
        : IJob
    {
        public void Run(int item)
        {
            Rows blockSums = rows.ClearedSums(sums, item);
            (nint row, nint end) = rows[item];
            for (; row < end; row++)
            {
                Kernels.Norm.Backward(
                    s[row],
                    weight,
                    epsilon,
                    centered,
                    gy[row],
                    gsum.At(row, 0).Origin,
                    gx.At(row, 0).Origin,
                    gresidual.At(row, 0).Origin,
                    blockSums.At(0, 0).Origin,
                    blockSums.At(1, 0).Origin,
                    rows.Width);
            }
        }
    }
}
