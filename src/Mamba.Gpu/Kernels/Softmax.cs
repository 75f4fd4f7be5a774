using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary><c>y = e^(x - m) / Σ e^(x - m)</c> with m the row's maximum; y may be x.</summary>
internal readonly struct SoftmaxKernel(NormRows rows, GpuRows x, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = rows.Row(0), end = rows.End(row);
        float largest = float.NegativeInfinity;
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            largest = Exponentials.Larger(largest, Load(row, column, end).Largest);
        }

        largest = RowSum.Max(largest);
        Quad sum = default;
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            sum += Exponentials.Of(Load(row, column, end), largest);
        }

        float factor = 1f / RowSum.Sum(sum.Sum);
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            y.StoreQuad(row, column, end, Exponentials.Of(Load(row, column, end), largest) * factor);
        }
    }

    private Quad Load(long row, long column, long end) =>
        x.LoadQuad(row, column, end).Take(end - column, float.NegativeInfinity);
}

/// <summary><c>gx += y·(gy - Σ gy·y)</c></summary>
internal readonly struct SoftmaxBackwardKernel(NormRows rows, GpuRows y, GpuRows gy, GpuRows gx) : IKernel
{
    public void Run()
    {
        long row = rows.Row(0), end = rows.End(row);
        Quad products = default;
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            products += y.LoadQuad(row, column, end) * gy.LoadQuad(row, column, end);
        }

        Quad mean = Quad.Broadcast(RowSum.Sum(products.Sum));
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            gx.AddQuad(row, column, end, y.LoadQuad(row, column, end) * (gy.LoadQuad(row, column, end) - mean));
        }
    }
}

/// <summary>Exponentials of differences from a maximum, which cannot overflow.</summary>
internal static class Exponentials
{
    /// <summary>First value of a running maximum, finite because -∞ - (-∞) is NaN.</summary>
    public const float Lowest = float.MinValue;

    public static float Of(float x, float largest) => LaneMath.Exp(new GpuLane(x - largest)).Value;

    public static Quad Of(Quad x, float largest) =>
        new(Of(x.X, largest), Of(x.Y, largest), Of(x.Z, largest), Of(x.W, largest));

    public static Quad Of(Quad x, Quad largest) =>
        new(Of(x.X, largest.X), Of(x.Y, largest.Y), Of(x.Z, largest.Z), Of(x.W, largest.W));

    /// <summary>The larger of two; NaN if either is NaN.</summary>
    public static float Larger(float a, float b) => GpuLane.Max(new(a), new(b)).Value;
}
