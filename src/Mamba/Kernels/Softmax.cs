using System.Numerics.Tensors;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The softmax of a row, and the cross-entropy of logits against a target.</summary>
/// <remarks>
/// Every exponential is taken of x minus the row's maximum: e^x as written overflows at x = 89.
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

        float maximum = Maximum(x, width);
        nint i = 0;
        if (Width.Has512) { i = Exp<Lanes512>(x, maximum, y, i, width); }
        if (Width.Has256) { i = Exp<Lanes256>(x, maximum, y, i, width); }
        if (Width.Has128) { i = Exp<Lanes128>(x, maximum, y, i, width); }
        Exp<Lane>(x, maximum, y, i, width);
        double sum = Reduce.Sum(new Reduction.Values(y), width);
        Reduction.Scale(y, (float)(1 / sum), y, width);
    }

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

    /// <summary>The maximum m of a row, and <c>Σ e^(x - m)</c>: all that the backward pass needs to know of it.</summary>
    public static (float Maximum, float Sum) Statistics(float* x, int width)
    {
        float maximum = Maximum(x, width);
        return (maximum, (float)Reduce.Sum(new ShiftedExponentials(x, maximum), width));
    }

    /// <summary>Computes <c>gx[j] += g·(e^(x[j] - m) / sum - [j = target])</c>.</summary>
    public static void CrossEntropyBackward(
        float* x, int width, int target, float maximum, float sum, double g, float* gx)
    {
        float factor = (float)(g / sum);
        nint i = 0;
        if (Width.Has512) { i = AddScaledExp<Lanes512>(x, maximum, factor, gx, i, width); }
        if (Width.Has256) { i = AddScaledExp<Lanes256>(x, maximum, factor, gx, i, width); }
        if (Width.Has128) { i = AddScaledExp<Lanes128>(x, maximum, factor, gx, i, width); }
        AddScaledExp<Lane>(x, maximum, factor, gx, i, width);
        gx[target] -= (float)g;
    }

    // The framework's maximum carries NaN on, as the widths' own would; the order of comparisons cannot matter.
    private static float Maximum(float* x, int width) => TensorPrimitives.Max(new ReadOnlySpan<float>(x, width));

    private static nint Exp<TLanes>(float* x, float maximum, float* y, nint i, nint width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes m = TLanes.Broadcast(maximum);
        for (; i <= width - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(LaneMath.Exp(TLanes.Load(x + i) - m), y + i);
        }

        return i;
    }

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
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(TLanes.Load(x + i) - TLanes.Broadcast(maximum));
    }
}
