using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>y = x·Wᵀ + b</c> for a few rows of x: every weight is read once for four of them. DimX threads share a row of W,
/// DimY rows make a group.
/// </summary>
internal readonly struct FewRowsKernel(GpuRows x, int rows, GpuRows weight, int depth, int width, GpuRows bias, GpuRows y)
    : IKernel
{
    /// <summary>Rows of x that a group takes at once.</summary>
    public const int Rows = 4;

    /// <summary>Neighbours of a row that a thread takes at once.</summary>
    public const int Step = 16;

    public void Run()
    {
        int column = (Grid.IdxX * Group.DimY) + Group.IdxY, first = Rows * Grid.IdxY;
        Quad sums = default;
        if (column < width)
        {
            // Four quads at a time are on their way while the sums are made.
            for (int k = Step * Group.IdxX; k < depth; k += Step * Group.DimX)
            {
                QuadWords w0 = weight.LoadWords(column, k, depth), w1 = weight.LoadWords(column, k + 4, depth);
                QuadWords w2 = weight.LoadWords(column, k + 8, depth), w3 = weight.LoadWords(column, k + 12, depth);
                sums.X += Dot(first, k, w0, w1) + Dot(first, k + 8, w2, w3);
                sums.Y += Dot(first + 1, k, w0, w1) + Dot(first + 1, k + 8, w2, w3);
                sums.Z += Dot(first + 2, k, w0, w1) + Dot(first + 2, k + 8, w2, w3);
                sums.W += Dot(first + 3, k, w0, w1) + Dot(first + 3, k + 8, w2, w3);
            }
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

    private float Dot(int row, int k, QuadWords low, QuadWords high)
    {
        if (row >= rows)
        {
            return 0f;
        }

        QuadWords first = x.LoadWords(row, k, depth), second = x.LoadWords(row, k + 4, depth);
        return (first.Value * low.Value).Sum + (second.Value * high.Value).Sum;
    }

    private void Put(int row, int column, float value)
    {
        if (row < rows)
        {
            y.Store(row, column, value);
        }
    }
}
