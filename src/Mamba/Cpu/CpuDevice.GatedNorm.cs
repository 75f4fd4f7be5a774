using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void GatedRmsNorm(in GatedNormOperation norm)
    {
        NormRows rows = new(norm.X.Shape);
        Run(new GatedNormJob(rows, PartsOf(norm), RowsOf(norm.Y)), rows.Blocks);
    }

    internal override void GatedRmsNormBackward(in GatedNormOperation norm, in GatedNormOperation gradients)
    {
        using DeviceScope scope = Scope();
        NormRows rows = new(norm.X.Shape);
        DeviceArray sums = AllocateNormSums(rows, gradients.Weight, gradients.Bias);
        Run(
            new GatedNormBackwardJob
            {
                Blocks = rows,
                Inputs = PartsOf(norm),
                Gy = RowsOf(gradients.Y),
                Gx = RowsOf(gradients.X),
                Gz = RowsOf(gradients.Z),
                Sums = RowsOf(sums),
                Scratch = RowsOf(Allocate([rows.Blocks, 2 * norm.GroupSize])),
            },
            rows.Blocks);
        AddNormSums(rows, sums, gradients.Weight, gradients.Bias);
    }

    private GatedNormParts PartsOf(in GatedNormOperation norm) => new()
    {
        X = RowsOf(norm.X),
        Z = RowsOf(norm.Z),
        Weight = StartOf(norm.Weight),
        Bias = StartOf(norm.Bias),
        Epsilon = norm.Epsilon,
        GroupSize = norm.GroupSize,
        NormBeforeGate = norm.NormBeforeGate,
    };

    /// <summary>The operands of a gated norm in memory.</summary>
    private readonly struct GatedNormParts
    {
        public required Rows X { get; init; }

        public required Rows Z { get; init; }

        public required float* Weight { get; init; }

        public required float* Bias { get; init; }

        public required float Epsilon { get; init; }

        public required int GroupSize { get; init; }

        public required bool NormBeforeGate { get; init; }
    }

    private readonly struct GatedNormJob(NormRows blocks, GatedNormParts inputs, Rows y) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end) = blocks[item];
            for (; row < end; row++)
            {
                for (int column = 0; column < blocks.Width; column += inputs.GroupSize)
                {
                    Kernels.GatedRmsNorm.Forward(
                        inputs.X[row] + column,
                        inputs.Z[row] + column,
                        ColumnsFrom(inputs.Weight, column),
                        ColumnsFrom(inputs.Bias, column),
                        inputs.Epsilon,
                        inputs.NormBeforeGate,
                        y[row] + column,
                        inputs.GroupSize);
                }
            }
        }
    }

    private readonly struct GatedNormBackwardJob : IJob
    {
        public required NormRows Blocks { get; init; }

        public required GatedNormParts Inputs { get; init; }

        public required Rows Gy { get; init; }

        public required Rows Gx { get; init; }

        public required Rows Gz { get; init; }

        public required Rows Sums { get; init; }

        public required Rows Scratch { get; init; }

        public void Run(int item)
        {
            Rows sums = Blocks.ClearedSums(Sums, item);
            (nint row, nint end) = Blocks[item];
            for (; row < end; row++)
            {
                for (int column = 0; column < Blocks.Width; column += Inputs.GroupSize)
                {
                    Kernels.GatedRmsNorm.Backward(
                        Inputs.X[row] + column,
                        Inputs.Z[row] + column,
                        ColumnsFrom(Inputs.Weight, column),
                        ColumnsFrom(Inputs.Bias, column),
                        Inputs.Epsilon,
                        Inputs.NormBeforeGate,
                        Gy[row] + column,
                        Gx.At(row, column).Origin,
                        Gz.At(row, column).Origin,
                        sums.At(0, column).Origin,
                        sums.At(1, column).Origin,
                        Scratch[item],
                        Scratch[item] + Inputs.GroupSize,
                        Inputs.GroupSize);
                }
            }
        }
    }

    private static float* ColumnsFrom(float* columns, int column) => columns == null ? null : columns + column;
}
