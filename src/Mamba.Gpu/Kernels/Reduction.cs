using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary><c>parts[p] = Σ x</c>, or <c>Σ x²</c>, over the elements of group p.</summary>
/// <param name="x">The elements.</param>
/// <param name="rows">Number of rows.</param>
/// <param name="width">Columns of a row.</param>
/// <param name="quads">Quads per group, numbered through all rows.</param>
/// <param name="squared">1 for squares, else 0.</param>
/// <param name="parts">Two floats per group.</param>
internal readonly struct SumPartsKernel(
    GpuRows x, long rows, long width, long quads, int squared, GpuRows parts) : IKernel
{
    public void Run()
    {
        long inRow = (width + 3) / 4, all = inRow * rows;
        long first = Grid.IdxX * quads, end = first + quads < all ? first + quads : all;
        Twofold sum = default;
        for (long i = first + Group.IdxX; i < end; i += Group.DimX)
        {
            long row = rows == 1 ? 0 : i / inRow;
            Quad four = x.LoadQuad(row, 4 * (i - (row * inRow)), width);
            sum += (squared != 0 ? four * four : four).Sum;
        }

        sum = GroupSum.Sum(sum);
        if (Group.IdxX == 0)
        {
            parts.Store(Grid.IdxX, 0, sum.High);
            parts.Store(Grid.IdxX, 1, sum.Low);
        }
    }
}

/// <summary><c>y[0] = scale·Σ_p parts[p]</c>, computed by one group.</summary>
internal readonly struct SumKernel(GpuRows parts, int count, Twofold scale, GpuRows y) : IKernel
{
    public void Run()
    {
        Twofold sum = default;
        for (int part = Group.IdxX; part < count; part += Group.DimX)
        {
            sum += new Twofold(parts.Load(part, 0), parts.Load(part, 1));
        }

        sum = GroupSum.Sum(sum);
        if (Group.IdxX == 0)
        {
            y.Store(0, 0, (sum * scale).Value);
        }
    }
}

/// <summary><c>gx += scale·gy[0]</c></summary>
internal readonly struct AddScalarKernel(Plane plane, Twofold scale, GpuRows gy, GpuRows gx) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            float value = (scale * new Twofold(gy.Load(0, 0), 0f)).Value;
            gx.AddQuad(row, column, plane.Width, Quad.Broadcast(value));
        }
    }
}
