using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>The inputs of a gated RMS norm, with <c>r = 1/√(mean(s²) + ε)</c>.</summary>
/// <param name="x">The values.</param>
/// <param name="z">The gate, before SiLU.</param>
/// <param name="weight">w; may be absent.</param>
/// <param name="bias">b; may be absent.</param>
/// <param name="epsilon">ε.</param>
/// <param name="normBeforeGate">1 if s is x, 0 if s is x·silu(z).</param>
internal readonly struct GatedNormInputs(
    GpuRows x, GpuRows z, GpuRows weight, GpuRows bias, float epsilon, int normBeforeGate)
{
    public bool NormBeforeGate => normBeforeGate != 0;

    public Quad X(long row, long column, long end) => x.LoadQuad(row, column, end);

    public Quad Z(long row, long column, long end) => z.LoadQuad(row, column, end);

    public Quad Gate(long row, long column, long end) => Quad.Map<Elementwise.Silu>(Z(row, column, end));

    /// <summary>The values s to normalise.</summary>
    public Quad S(long row, long column, long end) =>
        NormBeforeGate ? X(row, column, end) : X(row, column, end) * Gate(row, column, end);

    /// <summary><c>value·w</c></summary>
    public Quad Weighted(Quad value, long column, long end) =>
        weight.Exists ? value * weight.LoadQuad(0, column, end) : value;

    /// <summary><c>n·w + b</c></summary>
    public Quad Affine(Quad n, long column, long end) =>
        bias.Exists ? Weighted(n, column, end) + bias.LoadQuad(0, column, end) : Weighted(n, column, end);

    public float R(float meanOfSquares) => 1f / MathF.Sqrt(meanOfSquares + epsilon);
}

/// <summary><c>y = (x·r·w + b)·silu(z)</c>, or <c>y = s·r·w + b</c> with <c>s = x·silu(z)</c>.</summary>
internal readonly struct GatedNormKernel(NormRows rows, GatedNormInputs inputs, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = rows.Row(0), end = rows.End(row);
        Quad squares = default;
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            Quad s = inputs.S(row, column, end);
            squares += s * s;
        }

        float r = inputs.R(RowSum.Sum(squares.Sum) / rows.Width);
        for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
        {
            Quad x = inputs.X(row, column, end), gate = inputs.Gate(row, column, end);
            Quad value = inputs.NormBeforeGate
                ? inputs.Affine(x * r, column, end) * gate
                : inputs.Affine(x * gate * r, column, end);
            y.StoreQuad(row, column, end, value);
        }
    }
}

/// <summary>
/// With <c>gv</c> the gradient of <c>v = s·r·w + b</c>, <c>g = gv·w</c>, <c>n = s·r</c>:
/// <c>gs = r·(g - n·mean(g·n))</c>, which gives gx and gz. Over a block of rows <c>gweight = Σ gv·n</c>,
/// <c>gbias = Σ gv</c>.
/// </summary>
internal readonly struct GatedNormBackwardKernel(
    NormRows rows, GatedNormInputs inputs, GpuRows gy, GpuRows gx, GpuRows gz, NormSums sums) : IKernel
{
    public void Run()
    {
        Quad firstWeight = default, firstBias = default;
        int step = 0;
        do
        {
            long row = rows.Row(step), end = rows.End(row);
            Quad squares = default, products = default;
            for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
            {
                Quad s = inputs.S(row, column, end);
                squares += s * s;
                products += s * inputs.Weighted(GradientOfV(row, column, end), column, end);
            }

            Pair moments = RowSum.Sum(new Pair(squares.Sum, products.Sum));
            float r = inputs.R(moments.A / rows.Width);
            float slope = moments.B / rows.Width * r;
            for (long column = rows.Column; column < end; column += NormRows.ColumnStep)
            {
                Quad n = inputs.S(row, column, end) * r, gv = GradientOfV(row, column, end);
                Quad gs = (inputs.Weighted(gv, column, end) - (n * slope)) * r;
                Spread(row, column, end, n, gs);
                if (column == rows.Column)
                {
                    firstWeight += gv * n;
                    firstBias += gv;
                }
                else
                {
                    sums.Add(rows.Block, column, end, step, gv * n, gv);
                }
            }

            step++;
        }
        while (step < rows.Steps);

        sums.StoreFirst(rows, firstWeight, firstBias);
    }

    private Quad GradientOfV(long row, long column, long end) => inputs.NormBeforeGate
        ? gy.LoadQuad(row, column, end) * inputs.Gate(row, column, end)
        : gy.LoadQuad(row, column, end);

    /// <summary>Adds to the gradients of x and z.</summary>
    private void Spread(long row, long column, long end, Quad n, Quad gs)
    {
        if (gz.Exists)
        {
            Quad before = inputs.NormBeforeGate
                ? gy.LoadQuad(row, column, end) * inputs.Affine(n, column, end)
                : gs * inputs.X(row, column, end);
            gz.AddQuad(row, column, end, before * Quad.Derivative<Elementwise.Silu>(inputs.Z(row, column, end)));
        }

        if (gx.Exists)
        {
            gx.AddQuad(row, column, end, inputs.NormBeforeGate ? gs : gs * inputs.Gate(row, column, end));
        }
    }
}
