using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void Sum(DeviceArray x, double scale, DeviceArray y)
    {
        RequireScalar(y);
        Blocks blocks = BlocksOf(x);
        using DeviceScope scope = Scope();
        double* partial = Doubles(blocks.Count);
        Run(new SumJob(blocks, RowsOf(x), partial), blocks.Count);
        *RowsOf(y).Origin = (float)(scale * Total(partial, blocks.Count));
    }

    internal override void SumBackward(double scale, DeviceArray gy, DeviceArray gx)
    {
        RequireScalar(gy);
        Blocks blocks = BlocksOf(gx);
        Run(new AddScalarJob(blocks, (float)(scale * *RowsOf(gy).Origin), RowsOf(gx)), blocks.Count);
    }

    internal override double SumOfSquares(DeviceArray x)
    {
        Blocks blocks = BlocksOf(x);
        using DeviceScope scope = Scope();
        double* partial = Doubles(blocks.Count);
        Run(new SumOfSquaresJob(blocks, RowsOf(x), partial), blocks.Count);
        return Total(partial, blocks.Count);
    }

    internal override void Scale(DeviceArray x, float factor, DeviceArray y)
    {
        RequireSameShape(x, y);
        Blocks blocks = BlocksOf(x, y);
        Run(new ScaleJob(blocks, RowsOf(x), factor, RowsOf(y)), blocks.Count);
    }

    /// <summary>Allocates scratch memory in the innermost scope.</summary>
    private double* Doubles(int count) => (double*)StartOf(Allocate([2 * count]));

    private static double Total(double* values, int count)
    {
        double total = 0;
        for (int i = 0; i < count; i++)
        {
            total += values[i];
        }

        return total;
    }

    private readonly struct SumJob(Blocks blocks, Rows x, double* partial) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            partial[item] = 0;
            for (; row < end; row++)
            {
                partial[item] += Reduce.Sum(new Reduction.Values(x[row] + column), length);
            }
        }
    }

    private readonly struct SumOfSquaresJob(Blocks blocks, Rows x, double* partial) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            partial[item] = 0;
            for (; row < end; row++)
            {
                partial[item] += Reduce.Sum(new Reduction.Squares(x[row] + column), length);
            }
        }
    }

    private readonly struct AddScalarJob(Blocks blocks, float value, Rows y) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                Reduction.AddScalar(value, y[row] + column, length);
            }
        }
    }

    private readonly struct ScaleJob(Blocks blocks, Rows x, float factor, Rows y) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                RowMath.Scale(x[row] + column, factor, y[row] + column, length);
            }
        }
    }
}
