using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Broadcasts an array of [outer, inner] to one of [outer, count, inner]: by rows of inner, or if inner is 1, by one
/// number for each row of count.
/// </summary>
/// <param name="rows">[outer, inner], as rows.</param>
/// <param name="count">Rows of the larger array that share a row.</param>
/// <param name="single">1 if a row has one number.</param>
internal readonly struct KeptRows(GpuRows rows, long count, int single)
{
    /// <summary>The values for four columns of a row of the larger array.</summary>
    public Quad LoadQuad(long row, long column, long width) => single != 0
        ? Quad.Broadcast(rows.Load(row, 0))
        : rows.LoadQuad(row / count, column, width);
}

/// <summary><c>y[o, i, j] = f(a[o, i, j], b[o, j])</c></summary>
internal readonly struct AxisZipKernel<TOp>(Plane plane, GpuRows a, KeptRows b, GpuRows y) : IKernel
    where TOp : struct, IZip
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad left = a.LoadQuad(row, column, plane.Width), right = b.LoadQuad(row, column, plane.Width);
            y.StoreQuad(row, column, plane.Width, Quad.Zip<TOp>(left, right));
        }
    }
}

/// <summary><c>ga += gy·∂f/∂a</c> and <c>terms = gy·∂f/∂b</c>; either may be absent.</summary>
internal readonly struct AxisZipBackwardKernel<TOp>(
    Plane plane, GpuRows a, KeptRows b, GpuRows gy, GpuRows ga, GpuRows terms) : IKernel
    where TOp : struct, IZip
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        Quad left = a.LoadQuad(row, column, plane.Width), right = b.LoadQuad(row, column, plane.Width);
        Quad gradient = gy.LoadQuad(row, column, plane.Width);
        if (ga.Exists)
        {
            ga.AddQuad(row, column, plane.Width, gradient * Quad.DerivativeA<TOp>(left, right));
        }

        if (terms.Exists)
        {
            terms.StoreQuad(row, column, plane.Width, gradient * Quad.DerivativeB<TOp>(left, right));
        }
    }
}

/// <summary><c>y[o, i, j] = x[o, i, j]·scale[o, j] + shift[o, j]</c></summary>
internal readonly struct AxisScaleShiftKernel(Plane plane, GpuRows x, KeptRows scale, KeptRows shift, GpuRows y)
    : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad product = x.LoadQuad(row, column, plane.Width) * scale.LoadQuad(row, column, plane.Width);
            y.StoreQuad(row, column, plane.Width, product + shift.LoadQuad(row, column, plane.Width));
        }
    }
}

/// <summary><c>y[o, i, j] = scale·x[o, j]</c>, added to y if <paramref name="add"/> is 1.</summary>
internal readonly struct AxisRepeatKernel(Plane plane, KeptRows x, float scale, int add, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad value = x.LoadQuad(row, column, plane.Width) * scale;
            if (add != 0)
            {
                value += y.LoadQuad(row, column, plane.Width);
            }

            y.StoreQuad(row, column, plane.Width, value);
        }
    }
}

/// <summary>
/// <c>y[o, p, j] = scale·Σ_i x[o, i, j]</c> over the rows i of part p, added to y if <paramref name="add"/> is 1.
/// </summary>
/// <param name="plane">The rows of y, [outer, parts].</param>
/// <param name="x">The rows [outer, count].</param>
/// <param name="part">The division of rows into parts.</param>
/// <param name="scale">The factor.</param>
/// <param name="add">1 or 0.</param>
/// <param name="y">The sums.</param>
internal readonly struct AxisSumKernel(Plane plane, GpuRows x, AxisParts part, float scale, int add, GpuRows y)
    : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            (long first, long end) = part.RowsOf(row);
            Quad sum = default;
            for (long i = first; i < end; i++)
            {
                sum += x.LoadQuad(i, column, plane.Width);
            }

            sum *= scale;
            if (add != 0)
            {
                sum += y.LoadQuad(row, column, plane.Width);
            }

            y.StoreQuad(row, column, plane.Width, sum);
        }
    }
}

/// <summary>The rows of each o, divided into parts.</summary>
/// <param name="count">Rows of an o.</param>
/// <param name="parts">Parts of an o.</param>
/// <param name="length">Rows of a part, except the last.</param>
internal readonly struct AxisParts(long count, long parts, int length)
{
    /// <summary>The rows of part <paramref name="index"/>, counted through all o.</summary>
    public (long First, long End) RowsOf(long index)
    {
        long outer = index / parts, first = (index - (outer * parts)) * length;
        long end = first + length < count ? first + length : count;
        return ((outer * count) + first, (outer * count) + end);
    }

    /// <summary>The first row of the o of part <paramref name="index"/>.</summary>
    public long StartOf(long index) => index / parts * count;
}
