using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Normalisation of one row, <c>y = (x - μ)·r·w + b</c>, <c>r = 1/√(mean((x - μ)²) + ε)</c>: layer norm with μ the mean
/// of x, RMS norm with μ = 0. Weight and bias may be null.
/// </summary>
/// <remarks>
/// Ba et al., arXiv:1607.06450; Zhang and Sennrich, arXiv:1910.07467. The row is read once for each sum and once more
/// for the result, from the nearest cache. Sums are joined and r is computed in double: with x = 1e-20 and ε = 0,
/// r² = 1e40 is no float32.
/// </remarks>
internal static unsafe class Norm
{
    /// <summary>Computes y, which may be x.</summary>
    public static void Forward(float* x, float* weight, float* bias, float epsilon, bool centered, float* y, int width)
    {
        (float mean, double r) = Statistics(x, epsilon, centered, width);
        int i = 0;
        if (Width.Has512) { i = Forward<Lanes512>(x, mean, (float)r, weight, bias, y, i, width); }
        if (Width.Has256) { i = Forward<Lanes256>(x, mean, (float)r, weight, bias, y, i, width); }
        if (Width.Has128) { i = Forward<Lanes128>(x, mean, (float)r, weight, bias, y, i, width); }
        Forward<Lane>(x, mean, (float)r, weight, bias, y, i, width);
    }

    /// <summary>Adds the row's part to the gradients that are not null.</summary>
    /// <param name="gsum">
    /// The gradient that reaches x beside the norm, or null: x is a sum that is an output too. It joins that of x.
    /// </param>
    /// <param name="gresidual">The gradient of x's second term, which is that of the first, or null.</param>
    public static void Backward(
        float* x,
        float* weight,
        float epsilon,
        bool centered,
        float* gy,
        float* gsum,
        float* gx,
        float* gresidual,
        float* gweight,
        float* gbias,
        int width)
    {
        // With g = gy·w and d = x - μ: gx = r·(g - mean(g) - d·r²·mean(g·d)), without mean(g) where μ is fixed at 0.
        (float mean, double r) = Statistics(x, epsilon, centered, width);
        double meanOfG = centered ? Reduce.Sum(new Gradients(gy, weight), width) / width : 0;
        double slope = r * r * Reduce.Sum(new Moments(gy, weight, x, mean), width) / width;
        InputGradient input = new(gy, weight, x, gsum, mean, (float)r, (float)meanOfG, (float)slope);
        int i = 0;
        if (Width.Has512) { i = AddInputGradient<Lanes512>(input, gx, gresidual, i, width); }
        if (Width.Has256) { i = AddInputGradient<Lanes256>(input, gx, gresidual, i, width); }
        if (Width.Has128) { i = AddInputGradient<Lanes128>(input, gx, gresidual, i, width); }
        AddInputGradient<Lane>(input, gx, gresidual, i, width);
        if (gweight != null)
        {
            i = 0;
            if (Width.Has512) { i = AddWeightGradient<Lanes512>(x, mean, (float)r, gy, gweight, i, width); }
            if (Width.Has256) { i = AddWeightGradient<Lanes256>(x, mean, (float)r, gy, gweight, i, width); }
            if (Width.Has128) { i = AddWeightGradient<Lanes128>(x, mean, (float)r, gy, gweight, i, width); }
            AddWeightGradient<Lane>(x, mean, (float)r, gy, gweight, i, width);
        }

        if (gbias != null)
        {
            Elementwise.AddScaled(gy, 1f, gbias, width);
        }
    }

    private static (float Mean, double R) Statistics(float* x, float epsilon, bool centered, int width)
    {
        float mean = centered ? (float)(Reduce.Sum(new Values(x), width) / width) : 0f;
        return (mean, 1 / Math.Sqrt((Reduce.Sum(new Squares(x, mean), width) / width) + epsilon));
    }

    private static int Forward<TLanes>(
        float* x, float mean, float r, float* weight, float* bias, float* y, int i, int width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes mu = TLanes.Broadcast(mean), scale = TLanes.Broadcast(r);
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes value = (TLanes.Load(x + i) - mu) * scale;
            value = weight == null ? value : value * TLanes.Load(weight + i);
            value = bias == null ? value : value + TLanes.Load(bias + i);
            TLanes.Store(value, y + i);
        }

        return i;
    }

    private static int AddInputGradient<TLanes>(in InputGradient gradient, float* gx, float* gresidual, int i, int width)
        where TLanes : struct, ILanes<TLanes>
    {
        InputGradient g = gradient;
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes value = g.At<TLanes>(i);
            if (gx != null)
            {
                TLanes.Store(TLanes.Load(gx + i) + value, gx + i);
            }

            if (gresidual != null)
            {
                TLanes.Store(TLanes.Load(gresidual + i) + value, gresidual + i);
            }
        }

        return i;
    }

    private static int AddWeightGradient<TLanes>(
        float* x, float mean, float r, float* gy, float* gweight, int i, int width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes mu = TLanes.Broadcast(mean), scale = TLanes.Broadcast(r);
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes normalised = (TLanes.Load(x + i) - mu) * scale;
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(gy + i), normalised, TLanes.Load(gweight + i)), gweight + i);
        }

        return i;
    }

    /// <summary><c>gy·w</c></summary>
    private static TLanes Weighted<TLanes>(float* gy, float* weight, nint i)
        where TLanes : struct, ILanes<TLanes> =>
        weight == null ? TLanes.Load(gy + i) : TLanes.Load(gy + i) * TLanes.Load(weight + i);

    private readonly struct Values(float* x) : ITerm
    {
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + i);
    }

    private readonly struct Squares(float* x, float mean) : ITerm
    {
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes d = TLanes.Load(x + i) - TLanes.Broadcast(mean);
            return d * d;
        }
    }

    private readonly struct Gradients(float* gy, float* weight) : ITerm
    {
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => Weighted<TLanes>(gy, weight, i);
    }

    private readonly struct Moments(float* gy, float* weight, float* x, float mean) : ITerm
    {
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> =>
            Weighted<TLanes>(gy, weight, i) * (TLanes.Load(x + i) - TLanes.Broadcast(mean));
    }

    private readonly struct InputGradient(
        float* gy, float* weight, float* x, float* gsum, float mean, float r, float meanOfG, float slope)
    {
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes d = TLanes.Load(x + i) - TLanes.Broadcast(mean);
            TLanes g = Weighted<TLanes>(gy, weight, i) - TLanes.Broadcast(meanOfG);
            TLanes gx = TLanes.Broadcast(r) * TLanes.MultiplyAdd(-d, TLanes.Broadcast(slope), g);
            return gsum == null ? gx : gx + TLanes.Load(gsum + i);
        }
    }
}
