using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary><c>y[b, i] = x[b, indices[i]]</c>; a negative index gives zeros.</summary>
/// <param name="plane">The rows of y.</param>
/// <param name="indices">Indices of rows in a part of x.</param>
/// <param name="count">Number of indices, which is the rows of a part of y.</param>
/// <param name="partRows">Rows of a part of x.</param>
/// <param name="x">The source.</param>
/// <param name="y">The result.</param>
/// <param name="accumulate">1 to add to y, else 0.</param>
internal readonly struct GatherKernel(
    Plane plane, ArrayView<int> indices, long count, long partRows, GpuRows x, GpuRows y, int accumulate) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            long part = row / count;
            int index = indices[row - (part * count)];
            Quad value = default;
            if (index >= 0)
            {
                value = x.LoadQuad((part * partRows) + index, column, plane.Width);
            }

            if (accumulate != 0)
            {
                y.AddQuad(row, column, plane.Width, value);
            }
            else
            {
                y.StoreQuad(row, column, plane.Width, value);
            }
        }
    }
}

/// <summary>
/// <c>gx[b, v] += Σ gy[b, i]</c> over the places i of each value v. Each x of a group's threads has four columns; the
/// threads of one x divide the places.
/// </summary>
/// <param name="values">The values v.</param>
/// <param name="starts">The start of each value's places, and the end of the last.</param>
/// <param name="places">The places i.</param>
/// <param name="first">The first value of this launch.</param>
/// <param name="count">Values of this launch.</param>
/// <param name="columnGroups">Groups that divide a row's columns.</param>
/// <param name="width">Columns.</param>
/// <param name="partRows">Rows of a part of gy, and of gx.</param>
/// <param name="gy">The gradient of y.</param>
/// <param name="gx">The gradient of x; added to.</param>
internal readonly struct GatherBackwardKernel(
    ArrayView<int> values,
    ArrayView<int> starts,
    ArrayView<int> places,
    int first,
    int count,
    int columnGroups,
    long width,
    (long Gy, long Gx) partRows,
    GpuRows gy,
    GpuRows gx)
    : IKernel
{
    public void Run()
    {
        int row = Grid.IdxX / columnGroups;
        int part = row / count, index = first + (row - (part * count));
        long column = 4 * (((long)(Grid.IdxX % columnGroups) * Group.DimX) + Group.IdxX);
        int end = column < width ? starts[index + 1] : 0;
        Quad sum = default;
        for (int i = starts[index] + Group.IdxY; i < end; i += Group.DimY)
        {
            sum += gy.LoadQuad((part * partRows.Gy) + places[i], column, width);
        }

        sum = ColumnSum.Sum(sum);
        if (Group.IdxY == 0 && column < width)
        {
            gx.AddQuad((part * partRows.Gx) + values[index], column, width, sum);
        }
    }
}
