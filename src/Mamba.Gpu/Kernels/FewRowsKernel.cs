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

    public void Run()
    {
        int column = (Grid.IdxX * Group.DimY) + Group.IdxY, first = Rows * Grid.IdxY;
        Quad sums = default;
        if (column < width)
        {
            // Two quads at a time: two loads are on their way while the sums are made.
            for (int k = 8 * Group.IdxX; k < depth; k += 8 * Group.DimX)
            {
                Quad low = weight.LoadQuad(column, k, depth), high = weight.LoadQuad(column, k + 4, depth);
                sums.X += Dot(first, k, low, high);
                sums.Y += Dot(first + 1, k, low, high);
                sums.Z += Dot(first + 2, k, low, high);
                sums.W += Dot(first + 3, k, low, high);
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

    private float Dot(int row, int k, Quad low, Quad high) =>
        row < rows
            ? (x.LoadQuad(row, k, depth) * low).Sum + (x.LoadQuad(row, k + 4, depth) * high).Sum
            : 0f;

    private void Put(int row, int column, float value)
    {
        if (row < rows)
        {
            y.Store(row, column, value);
        }
    }
}
