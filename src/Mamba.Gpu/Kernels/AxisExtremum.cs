using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>y[o, p, j]</c>, the largest or smallest of <c>x[o, i, j]</c> over the rows i of part p, and the first i that has
/// it. Each thread computes one element of y.
/// </summary>
/// <param name="total">Number of elements of y.</param>
/// <param name="inner">Columns of a row.</param>
/// <param name="part">How the rows are divided into parts.</param>
/// <param name="x">The rows [outer, count].</param>
/// <param name="smallest">1 for the smallest, 0 for the largest.</param>
/// <param name="y">The extrema.</param>
/// <param name="places">The row i of each extremum.</param>
/// <param name="find">How places are determined: one of the constants.</param>
/// <param name="earlier">The places of x, if x holds the extrema of parts.</param>
internal readonly struct AxisExtremumKernel(
    long total,
    long inner,
    AxisParts part,
    GpuRows x,
    int smallest,
    GpuRows y,
    ArrayView<int> places,
    int find,
    ArrayView<int> earlier) : IKernel
{
    /// <summary>No places are wanted.</summary>
    public const int None = 0;

    /// <summary>A place is the index i in x.</summary>
    public const int First = 1;

    /// <summary>x holds the extrema of parts; a place is copied from theirs.</summary>
    public const int OfParts = 2;

    public void Run()
    {
        long id = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        if (id >= total)
        {
            return;
        }

        long row = id / inner, column = id - (row * inner);
        (long first, long end) = part.RowsOf(row);
        float best = x.Load(first, column);
        long place = first;
        for (long i = first + 1; i < end; i++)
        {
            float value = x.Load(i, column);
            bool better = smallest != 0 ? value < best : value > best;
            better = float.IsNaN(value) ? true : better;
            better = float.IsNaN(best) ? false : better;
            best = better ? value : best;
            place = better ? i : place;
        }

        y.Store(row, column, best);
        if (find == First)
        {
            places[id] = (int)(place - part.StartOf(row));
        }

        if (find == OfParts)
        {
            places[id] = earlier[(place * inner) + column];
        }
    }
}

/// <summary><c>gx[o, places[o, j], j] += gy[o, j]</c></summary>
internal readonly struct AxisExtremumBackwardKernel(
    long total, long inner, long count, ArrayView<int> places, GpuRows gy, GpuRows gx) : IKernel
{
    public void Run()
    {
        long id = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        if (id < total)
        {
            long row = id / inner, column = id - (row * inner);
            gx.Add((row * count) + places[id], column, gy.Load(row, column));
        }
    }
}
