using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
{
    internal override void GatedRmsNorm(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray y)
    {
        RequireNorm(x, weight, bias, z, y);
        RequireGroups(x, groupSize);
        NormRows rows = new(x.Shape);
        Run(
            new GatedNormJob(
                rows,
                groupSize,
                RowsOf(x),
                RowsOf(z),
                StartOf(weight),
                StartOf(bias),
                epsilon,
                normBeforeGate,
                RowsOf(y)),
            rows.Blocks);
    }

    internal override void GatedRmsNormBackward(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gz,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        RequireNorm(x, weight, bias, z, gy, gx, gz);
        RequireGroups(x, groupSize);
        using DeviceScope scope = Scope();
        NormRows rows = new(x.Shape);
        DeviceArray sums = AllocateNormSums(rows, gweight, gbias);
        Run(
            new GatedNormBackwardJob(
                rows,
                groupSize,
                RowsOf(x),
                RowsOf(z),
                StartOf(weight),
                StartOf(bias),
                epsilon,
                normBeforeGate,
                RowsOf(gy),
                RowsOf(gx),
                RowsOf(gz),
                RowsOf(sums),
                RowsOf(Allocate([rows.Blocks, 2 * groupSize]))),
            rows.Blocks);
        AddNormSums(rows, sums, gweight, gbias);
    }

    private readonly struct GatedNormJob(
        NormRows rows,
        int groupSize,
        Rows x,
        Rows z,
        float* weight,
        float* bias,
        float epsilon,
        bool normBeforeGate,
        Rows y)
        : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end) = rows[item];
            for (; row < end; row++)
            {
                for (int column = 0; column < rows.Width; column += groupSize)
                {
                    Kernels.GatedRmsNorm.Forward(
                        x[row] + column,
                        z[row] + column,
                        ColumnsFrom(weight, column),
                        ColumnsFrom(bias, column),
                        epsilon,
                        normBeforeGate,
                        y[row] + column,
                        groupSize);
                }
            }
        }
    }

    private readonly struct GatedNormBackwardJob(
        NormRows rows,
        int groupSize,
        Rows x,
        Rows z,
        float* weight,
        float* bias,
        float epsilon,
        bool normBeforeGate,
        Rows gy,
        Rows gx,
        Rows gz,
        Rows sums,
        Rows scratch)
        : IJob
    {
        public void Run(int item)
        {
            Rows blockSums = rows.ClearedSums(sums, item);
            (nint row, nint end) = rows[item];
            for (; row < end; row++)
            {
                for (int column = 0; column < rows.Width; column += groupSize)
                {
                    Kernels.GatedRmsNorm.Backward(
                        x[row] + column,
                        z[row] + column,
                        ColumnsFrom(weight, column),
                        ColumnsFrom(bias, column),
                        epsilon,
                        normBeforeGate,
                        gy[row] + column,
                        gx.At(row, column).Origin,
                        gz.At(row, column).Origin,
                        blockSums.At(0, column).Origin,
                        blockSums.At(1, column).Origin,
                        scratch[item],
                        scratch[item] + groupSize,
                        groupSize);
                }
            }
        }
    }

    private static float* ColumnsFrom(float* columns, int column) => columns == null ? null : columns + column;
}
