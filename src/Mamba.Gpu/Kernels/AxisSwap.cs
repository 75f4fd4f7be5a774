namespace Mamba.Gpu.Kernels;

/// <summary><c>y[o, j, i, :] = x[o, i, j, :]</c>, added to y if <paramref name="add"/> is 1.</summary>
/// <param name="plane">The rows of y, [outer, second, first].</param>
/// <param name="x">The rows [outer, first, second].</param>
/// <param name="first">Number of i.</param>
/// <param name="second">Number of j.</param>
/// <param name="add">1 or 0.</param>
/// <param name="y">The result.</param>
internal readonly struct SwapRowsKernel(Plane plane, GpuRows x, long first, long second, int add, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            long band = row / first, i = row - (band * first), outer = band / second, j = band - (outer * second);
            Quad value = x.LoadQuad((((outer * first) + i) * second) + j, column, plane.Width);
            if (add != 0)
            {
                value += y.LoadQuad(row, column, plane.Width);
            }

            y.StoreQuad(row, column, plane.Width, value);
        }
    }
}

/// <summary><c>y[o, j, i] = x[o, i, j]</c>, added to y if <paramref name="add"/> is 1.</summary>
/// <param name="plane">The rows of y, [outer, second], of first.</param>
/// <param name="x">The rows [outer, first], of second.</param>
/// <param name="second">Number of j.</param>
/// <param name="add">1 or 0.</param>
/// <param name="y">The result.</param>
internal readonly struct SwapColumnsKernel(Plane plane, GpuRows x, long second, int add, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            long outer = row / second, j = row - (outer * second), from = (outer * plane.Width) + column;
            Quad value = new(
                x.Load(from, j), Load(from, column, j, 1), Load(from, column, j, 2), Load(from, column, j, 3));
            if (add != 0)
            {
                value += y.LoadQuad(row, column, plane.Width);
            }

            y.StoreQuad(row, column, plane.Width, value);
        }
    }

    private float Load(long row, long column, long j, int offset) =>
        x.Load(column + offset < plane.Width ? row + offset : row, j);
}
