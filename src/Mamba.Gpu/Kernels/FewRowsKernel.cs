using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>y = start + x·Wᵀ + b</c> for a few rows of x: each weight is loaded once per four rows of x. DimX threads share a
/// row of W; a group has DimY rows of W.
/// </summary>
internal readonly struct FewRowsKernel<TWords>(
    GpuRows x, int rows, GpuRows weight, int depth, int width, GpuRows bias, GpuRows start, GpuRows y) : IKernel
    where TWords : struct, IRowWords
{
    private const int Rows = FewRows.Rows, Step = FewRows.Step;

    public void Run()
    {
        int column = (Grid.IdxX * Group.DimY) + Group.IdxY, first = Rows * Grid.IdxY;
        Quad sums = default;
        if (column < width)
        {
            sums = Sums(column, first);
        }

        sums = RowSum.Sum(sums);
        if (column < width && Group.IdxX == 0)
        {
            float b = bias.LoadOr(0, column, 0f);
            Put(first, column, sums.X + b);
            Put(first + 1, column, sums.Y + b);
            Put(first + 2, column, sums.Z + b);
            Put(first + 3, column, sums.W + b);
        }
    }

    private Quad Sums(int column, int first)
    {
        Quad sums = default;
        for (int k = Step * Group.IdxX; k < depth; k += Step * Group.DimX)
        {
            // All four quads of weights are in flight before the first is used.
            QuadWords w0 = TWords.Load(weight, column, k, depth), w1 = TWords.Load(weight, column, k + 4, depth);
            QuadWords w2 = TWords.Load(weight, column, k + 8, depth), w3 = TWords.Load(weight, column, k + 12, depth);
            sums.X += Dot(first, k, w0, w1, w2, w3);
            sums.Y += Dot(first + 1, k, w0, w1, w2, w3);
            sums.Z += Dot(first + 2, k, w0, w1, w2, w3);
            sums.W += Dot(first + 3, k, w0, w1, w2, w3);
        }

        return sums;
    }

    private float Dot(int row, int k, QuadWords w0, QuadWords w1, QuadWords w2, QuadWords w3)
    {
        if (row >= rows)
        {
            return 0f;
        }

        QuadWords x0 = TWords.Load(x, row, k, depth), x1 = TWords.Load(x, row, k + 4, depth);
        QuadWords x2 = TWords.Load(x, row, k + 8, depth), x3 = TWords.Load(x, row, k + 12, depth);
        return ((x0.Value * w0.Value) + (x1.Value * w1.Value) + ((x2.Value * w2.Value) + (x3.Value * w3.Value))).Sum;
    }

    private void Put(int row, int column, float value)
    {
        if (row < rows)
        {
            y.Store(row, column, value + start.LoadOr(row, column, 0f));
        }
    }
}

/// <summary>Tile sizes of <see cref="FewRowsKernel{TWords}"/>.</summary>
internal static class FewRows
{
    /// <summary>Rows of x per group.</summary>
    public const int Rows = 4;

    /// <summary>Adjacent elements of a row that a thread loads at once.</summary>
    public const int Step = 16;
}
