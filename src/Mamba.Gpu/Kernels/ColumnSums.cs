using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// <c>parts[p, j] = Σ x[i, j]</c> over the rows i of part p: the first step of <c>y[j] += Σ_i x[i, j]</c>.
/// </summary>
/// <param name="x">The rows.</param>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Number of columns; a thread sums four adjacent ones.</param>
/// <param name="partRows">Rows of a part.</param>
/// <param name="columnGroups">Groups that share the columns of a part.</param>
/// <param name="parts">One row per part.</param>
internal readonly struct ColumnPartsKernel(
    GpuRows x, long rows, int width, int partRows, int columnGroups, GpuRows parts) : IKernel
{
    public void Run()
    {
        long part = Grid.IdxX / columnGroups;
        long column = 4 * (((long)(Grid.IdxX % columnGroups) * Group.DimX) + Group.IdxX);
        if (column < width)
        {
            long end = (part + 1) * partRows < rows ? (part + 1) * partRows : rows;
            Quad sum = default;
            for (long row = part * partRows; row < end; row++)
            {
                sum += x.LoadQuad(row, column, width);
            }

            parts.StoreQuad(part, column, width, sum);
        }
    }
}

/// <summary><c>y[j] += Σ_p parts[p, j]</c>; threads with the same x share four columns.</summary>
internal readonly struct AddPartsKernel(GpuRows parts, int count, int width, GpuRows y) : IKernel
{
    public void Run()
    {
        long column = 4 * (((long)Grid.IdxX * Group.DimX) + Group.IdxX);
        int end = column < width ? count : 0;
        Quad sum = default;
        for (int part = Group.IdxY; part < end; part += Group.DimY)
        {
            sum += parts.LoadQuad(part, column, width);
        }

        sum = ColumnSum.Sum(sum);
        if (Group.IdxY == 0 && column < width)
        {
            y.AddQuad(0, column, width, sum);
        }
    }
}
