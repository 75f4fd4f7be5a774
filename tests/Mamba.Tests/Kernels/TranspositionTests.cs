using Mamba.Kernels;

namespace Mamba.Tests.Kernels;

public sealed unsafe class TranspositionTests
{
    [Fact]
    public void Rows_become_columns_at_every_size_and_nothing_else_is_written()
    {
        const int Most = 21, SourcePitch = 23, TargetPitch = 25;
        float[] source = Samples.Uniform(1, Most * SourcePitch, -1, 1);
        for (int rows = 0; rows <= Most; rows++)
        {
            for (int columns = 0; columns <= Most; columns++)
            {
                float[] target = Run(source, SourcePitch, rows, columns, TargetPitch, Most);

                for (int i = 0; i < target.Length; i++)
                {
                    (int column, int row) = Math.DivRem(i, TargetPitch);
                    float expected = row < rows && column < columns ? source[(row * SourcePitch) + column] : 9f;
                    target[i].Should().Be(expected, "{0}×{1}, element {2}", rows, columns, i);
                }
            }
        }
    }

    private static float[] Run(float[] source, int sourcePitch, int rows, int columns, int targetPitch, int targetRows)
    {
        float[] target = new float[targetRows * targetPitch];
        target.AsSpan().Fill(9f);
        fixed (float* from = source, to = target)
        {
            Transposition.Run(new(from, sourcePitch), rows, columns, new(to, targetPitch));
        }

        return target;
    }
}
