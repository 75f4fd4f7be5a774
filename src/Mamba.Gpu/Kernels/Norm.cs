namespace Mamba.Gpu.Kernels;

/// <summary><c>y = (s - μ)·r·w + b</c> with <c>s = x + residual</c>, <c>r = 1/√(mean((s - μ)²) + ε)</c>.</summary>
/// <param name="rows">The rows.</param>
/// <param name="x">The first term.</param>
/// <param name="residual">The second; may be absent.</param>
/// <param name="weight">w; may be absent.</param>
/// <param name="bias">b; may be absent.</param>
/// <param name="epsilon">ε.</param>
/// <param name="centered">1 if μ is the mean of s, 0 if μ is 0.</param>
/// <param name="y">The result; may be x.</param>
/// <param name="sum">Receives s, if there is a residual.</param>
internal readonly struct NormKernel(
    NormRows rows,
    GpuRows x,
    GpuRows residual,
    GpuRows weight,
    GpuRows bias,
    float epsilon,
    int centered,
    GpuRows y,
    GpuRows sum)
    : IKernel
{
    public void Run()
    {
        long row = rows.Row(0), end = rows.End(row);
        Quad total = default;
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            Quad s = x.LoadQuad(row, column, end);
            if (residual.Exists)
            {
                s += residual.LoadQuad(row, column, end);
                sum.StoreQuad(row, column, end, s);
            }

            total += centered != 0 ? s : s * s;
        }

        float mean = 0f, square = RowSum.Sum(total.Sum) / rows.Width;
        if (centered != 0)
        {
            mean = square;
            total = default;
            for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
            {
                Quad d = (Load(row, column, end) - Quad.Broadcast(mean)).Take(end - column, 0f);
                total += d * d;
            }

            square = RowSum.Sum(total.Sum) / rows.Width;
        }

        float r = 1f / MathF.Sqrt(square + epsilon);
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            Quad value = (Load(row, column, end) - Quad.Broadcast(mean)) * r;
            value = weight.Exists ? value * weight.LoadQuad(0, column, end) : value;
            value = bias.Exists ? value + bias.LoadQuad(0, column, end) : value;
            y.StoreQuad(row, column, end, value);
        }
    }

    private Quad Load(long row, long column, long end) =>
        residual.Exists ? sum.LoadQuad(row, column, end) : x.LoadQuad(row, column, end);
}

/// <summary>
/// With <c>g = gy·w</c>, <c>n = (s - μ)·r</c>:
/// <c>gx += r·(g - mean(g) - n·mean(g·n)) + gsum</c>, the same for gresidual, and over a block of rows
/// <c>gweight = Σ gy·n</c>, <c>gbias = Σ gy</c>. Without mean(g) if μ is 0.
/// </summary>
internal readonly struct NormBackwardKernel(
    NormRows rows,
    GpuRows s,
    GpuRows weight,
    float epsilon,
    int centered,
    GpuRows gy,
    GpuRows gsum,
    GpuRows gx,
    GpuRows gresidual,
    NormSums sums)
    : IKernel
{
    public void Run()
    {
        Quad firstWeight = default, firstBias = default;
        int step = 0;
        do
        {
            long row = rows.Row(step), end = rows.End(row);
            float mean = 0f, meanOfG = 0f;
            if (centered != 0)
            {
                Quad values = default, gradients = default;
                for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
                {
                    values += s.LoadQuad(row, column, end);
                    gradients += Weighted(row, column, end);
                }

                Pair means = RowSum.Sum(new Pair(values.Sum, gradients.Sum));
                (mean, meanOfG) = (means.A / rows.Width, means.B / rows.Width);
            }

            Quad squares = default, products = default;
            for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
            {
                Quad d = (s.LoadQuad(row, column, end) - Quad.Broadcast(mean)).Take(end - column, 0f);
                squares += d * d;
                products += d * Weighted(row, column, end);
            }

            Pair moments = RowSum.Sum(new Pair(squares.Sum, products.Sum));
            float r = 1f / MathF.Sqrt((moments.A / rows.Width) + epsilon);
            float slope = moments.B / rows.Width * r;
            for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
            {
                Quad n = (s.LoadQuad(row, column, end) - Quad.Broadcast(mean)) * r;
                Quad g = (Weighted(row, column, end) - Quad.Broadcast(meanOfG) - (n * slope)) * r;
                g = gsum.Exists ? g + gsum.LoadQuad(row, column, end) : g;
                if (gx.Exists)
                {
                    gx.AddQuad(row, column, end, g);
                }

                if (gresidual.Exists)
                {
                    gresidual.AddQuad(row, column, end, g);
                }

                Quad gradient = gy.LoadQuad(row, column, end);
                if (column == rows.Column)
                {
                    firstWeight += gradient * n;
                    firstBias += gradient;
                }
                else
                {
                    sums.Add(rows.Block, column, end, step, gradient * n, gradient);
                }
            }

            step++;
        }
        while (step < rows.Steps);

        sums.StoreFirst(rows, firstWeight, firstBias);
    }

    private Quad Weighted(long row, long column, long end) => weight.Exists
        ? gy.LoadQuad(row, column, end) * weight.LoadQuad(0, column, end)
        : gy.LoadQuad(row, column, end);
}

/// <summary>
/// The gradients of a norm's weight and bias from one block of rows. A thread keeps its first four columns in
/// registers; further columns, in wide rows, accumulate in memory.
/// </summary>
/// <param name="weight">One row per block; may be absent.</param>
/// <param name="bias">One row per block; may be absent.</param>
internal readonly struct NormSums(GpuRows weight, GpuRows bias)
{
    /// <summary>Adds a row's further columns. Precondition: DimY is 1, so no other thread adds to them.</summary>
    public void Add(int block, long column, long end, int step, Quad gweight, Quad gbias)
    {
        if (weight.Exists)
        {
            weight.StoreQuad(
                block, column, end, step == 0 ? gweight : weight.LoadQuad(block, column, end) + gweight);
        }

        if (bias.Exists)
        {
            bias.StoreQuad(block, column, end, step == 0 ? gbias : bias.LoadQuad(block, column, end) + gbias);
        }
    }

    /// <summary>Sums and stores the threads' first columns. All threads of the group must call.</summary>
    public void StoreFirst(NormRows rows, Quad gweight, Quad gbias)
    {
        long end = rows.End(0);
        gweight = ColumnSum.Sum(gweight);
        gbias = ColumnSum.Sum(gbias);
        if (ILGPU.Group.IdxY == 0 && rows.Column < end)
        {
            if (weight.Exists)
            {
                weight.StoreQuad(rows.Block, rows.Column, end, gweight);
            }

            if (bias.Exists)
            {
                bias.StoreQuad(rows.Block, rows.Column, end, gbias);
            }
        }
    }
}
