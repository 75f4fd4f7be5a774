using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Normalisation of one row, <c>y = (x - μ)·r·w + b</c>, <c>r = 1/√(mean((x - μ)²) + ε)</c>: layer norm with μ the mean
/// of x, RMS norm with μ = 0. Weight and bias may be null.
/// </summary>
/// <remarks>
/// Ba et al., arXiv:1607.06450; Zhang and Sennrich, arXiv:1910.07467. The row is read once for each sum and once more
/// for the result, from cache. Partial sums are added and r is computed in double: with x = 1e-20 and ε = 0, r² = 1e40
/// exceeds float32.
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

    /// <summary>
    /// Adds the row's part to the gradients that are not null. If x is a sum that is also an output, <c>gsum</c> is the
    /// gradient of that output; the gradient of x includes it. <c>gresidual</c>, the gradient of the sum's second term,
    /// receives the same as <c>gx</c>.
    /// </summary>
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
        // With g = gy·w and d = x - μ: gx = r·(g - mean(g) - d·r²·mean(g·d)), without mean(g) for RMS norm.
        (float mean, double r) = Statistics(x, epsilon, centered, width);
        double meanOfG = centered ? Reduce.Sum(new WeightedValues(gy, weight), width) / width : 0;
        double slope = r * r * Reduce.Sum(new Moments(gy, weight, x, mean), width) / width;
        Gradients gradients = new(gsum, gx, gresidual, gweight);
        Slopes slopes = new(mean, (float)r, (float)meanOfG, (float)slope);
        int i = 0;
        if (Width.Has512) { i = Backward<Lanes512>(x, weight, gy, slopes, gradients, i, width); }
        if (Width.Has256) { i = Backward<Lanes256>(x, weight, gy, slopes, gradients, i, width); }
        if (Width.Has128) { i = Backward<Lanes128>(x, weight, gy, slopes, gradients, i, width); }
        Backward<Lane>(x, weight, gy, slopes, gradients, i, width);
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

    private static int Backward<TLanes>(
        float* x, float* weight, float* gy, Slopes slopes, Gradients gradients, int i, int width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes mu = TLanes.Broadcast(slopes.Mean), r = TLanes.Broadcast(slopes.R);
        TLanes meanOfG = TLanes.Broadcast(slopes.MeanOfG), slope = TLanes.Broadcast(slopes.Slope);
        float* gsum = gradients.Sum, gx = gradients.X, gresidual = gradients.Residual, gweight = gradients.Weight;
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes d = TLanes.Load(x + i) - mu;
            TLanes g = r * TLanes.MultiplyAdd(-d, slope, Weighted<TLanes>(gy, weight, i) - meanOfG);
            g = gsum == null ? g : g + TLanes.Load(gsum + i);
            if (gx != null)
            {
                TLanes.Store(TLanes.Load(gx + i) + g, gx + i);
            }

            if (gresidual != null)
            {
                TLanes.Store(TLanes.Load(gresidual + i) + g, gresidual + i);
            }

            if (gweight != null)
            {
                TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(gy + i), d * r, TLanes.Load(gweight + i)), gweight + i);
            }
        }

        return i;
    }

    /// <summary><c>gy·w</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Weighted<TLanes>(float* gy, float* weight, nint i)
        where TLanes : struct, ILanes<TLanes> =>
        weight == null ? TLanes.Load(gy + i) : TLanes.Load(gy + i) * TLanes.Load(weight + i);

    private readonly struct Values(float* x) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + i);
    }

    private readonly struct Squares(float* x, float mean) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes d = TLanes.Load(x + i) - TLanes.Broadcast(mean);
            return d * d;
        }
    }

    private readonly struct WeightedValues(float* gy, float* weight) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => Weighted<TLanes>(gy, weight, i);
    }

    private readonly struct Moments(float* gy, float* weight, float* x, float mean) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> =>
            Weighted<TLanes>(gy, weight, i) * (TLanes.Load(x + i) - TLanes.Broadcast(mean));
    }

    private readonly struct Slopes(float mean, float r, float meanOfG, float slope)
    {
        public float Mean { get; } = mean;

        public float R { get; } = r;

        public float MeanOfG { get; } = meanOfG;

        public float Slope { get; } = slope;
    }

    private readonly struct Gradients(float* sum, float* x, float* residual, float* weight)
    {
        public float* Sum { get; } = sum;

        public float* X { get; } = x;

        public float* Residual { get; } = residual;

        public float* Weight { get; } = weight;
    }
}
