using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The softmax of a row, and the cross-entropy of logits against a target.</summary>
/// <remarks>
/// Every exponential is of x minus the row's maximum: e^x itself overflows at x = 89.
/// </remarks>
internal static unsafe class Softmax
{
    /// <summary>Computes <c>y = e^(x - m) / Σ e^(x - m)</c>, m the maximum; <paramref name="y"/> may be x.</summary>
    public static void Forward(float* x, float* y, int width)
    {
        if (width == 0)
        {
            return;
        }

        double sum = Exp(x, Maximum(x, width), y, width);
        RowMath.Scale(y, (float)(1 / sum), y, width);
    }

    /// <summary>Computes <c>y = e^(x - maximum)</c> and returns the sum; <paramref name="y"/> may be x.</summary>
    public static double Exp(float* x, float maximum, float* y, int width) =>
        Reduce.Sum(new StoredExponentials(x, maximum, y), width);

    /// <summary>Computes <c>gx += y·(gy - Σ gy·y)</c>.</summary>
    public static void Backward(float* y, float* gy, float* gx, int width)
    {
        float dot = (float)Reduce.Sum(new Reduction.Products(y, gy), width);
        nint i = 0;
        if (Width.Has512) { i = Backward<Lanes512>(y, gy, dot, gx, i, width); }
        if (Width.Has256) { i = Backward<Lanes256>(y, gy, dot, gx, i, width); }
        if (Width.Has128) { i = Backward<Lanes128>(y, gy, dot, gx, i, width); }
        Backward<Lane>(y, gy, dot, gx, i, width);
    }

    /// <summary>The maximum m of a row, and <c>Σ e^(x - m)</c>: all that the backward pass needs.</summary>
    public static (float Maximum, float Sum) Statistics(float* x, int width)
    {
        float maximum = Maximum(x, width);
        return (maximum, (float)Reduce.Sum(new ShiftedExponentials(x, maximum), width));
    }

    /// <summary>Combines the statistics of two parts of a row.</summary>
    public static (float Maximum, float Sum) Combined((float Maximum, float Sum) a, (float Maximum, float Sum) b)
    {
        // A part that is -∞ throughout is skipped: its sum, of e^(-∞ + ∞), is NaN.
        if (float.IsNegativeInfinity(b.Maximum))
        {
            return a;
        }

        if (float.IsNegativeInfinity(a.Maximum))
        {
            return b;
        }

        float maximum = Math.Max(a.Maximum, b.Maximum); // NaN if either is
        double sum = (a.Sum * Math.Exp((double)a.Maximum - maximum)) + (b.Sum * Math.Exp((double)b.Maximum - maximum));
        return (maximum, (float)sum);
    }

    /// <summary>
    /// Computes <c>gx[j] += g·(e^(x[j] - m) / sum - [j = target])</c>; the target may lie outside the row.
    /// </summary>
    public static void CrossEntropyBackward(
        float* x, int width, int target, float maximum, float sum, double g, float* gx)
    {
        float factor = (float)(g / sum);
        nint i = 0;
        if (Width.Has512) { i = AddScaledExp<Lanes512>(x, maximum, factor, gx, i, width); }
        if (Width.Has256) { i = AddScaledExp<Lanes256>(x, maximum, factor, gx, i, width); }
        if (Width.Has128) { i = AddScaledExp<Lanes128>(x, maximum, factor, gx, i, width); }
        AddScaledExp<Lane>(x, maximum, factor, gx, i, width);
        if ((uint)target < (uint)width)
        {
            gx[target] -= (float)g;
        }
    }

    // TensorPrimitives.Max propagates NaN, as TLanes.Max does; the order of comparisons does not matter.
    private static float Maximum(float* x, int width) => TensorPrimitives.Max(new ReadOnlySpan<float>(x, width));

    private static nint Backward<TLanes>(float* y, float* gy, float dot, float* gx, nint i, nint width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes mean = TLanes.Broadcast(dot);
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes g = TLanes.Load(gy + i) - mean;
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(y + i), g, TLanes.Load(gx + i)), gx + i);
        }

        return i;
    }

    private static nint AddScaledExp<TLanes>(float* x, float maximum, float factor, float* gx, nint i, nint width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes m = TLanes.Broadcast(maximum), scale = TLanes.Broadcast(factor);
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes e = LaneMath.Exp(TLanes.Load(x + i) - m);
            TLanes.Store(TLanes.MultiplyAdd(e, scale, TLanes.Load(gx + i)), gx + i);
        }

        return i;
    }

    /// <summary><c>e^(x[i] - m)</c></summary>
    private readonly struct ShiftedExponentials(float* x, float maximum) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(TLanes.Load(x + i) - TLanes.Broadcast(maximum));
    }

    /// <summary><c>e^(x[i] - m)</c>, also written to y[i].</summary>
    private readonly struct StoredExponentials(float* x, float maximum, float* y) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes e = LaneMath.Exp(TLanes.Load(x + i) - TLanes.Broadcast(maximum));
            TLanes.Store(e, y + i);
            return e;
        }
    }
}
