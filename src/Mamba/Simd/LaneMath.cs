using System.Runtime.CompilerServices;

namespace Mamba.Simd;

/// <summary>Elementary functions over lanes.</summary>
/// <remarks>
/// <c>Vector512.Exp</c> is not inlined and computes in double; these functions stay in registers. The polynomials
/// are minimax fits (Remez) to the relative error that each comment states.
/// </remarks>
public static partial class LaneMath
{
    /// <summary>Computes <c>2^x</c>; 0 far below, infinity far above, NaN at NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Exp2<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes r = TLanes.Fraction(x);
        TLanes n = x - r;

        // 2^r on [-1/2, 1/2], 2.6e-9.
        TLanes p = TLanes.Broadcast(1.5594677e-4f);
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1.3406644e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(9.6176930e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(5.5503106e-2f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(0.24022653f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(0.69314721f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1f));
        return TLanes.Scale(p, n);
    }

    /// <summary>Computes <c>e^x</c>; 0 far below, infinity far above, NaN at NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Exp<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        x = TLanes.Clamp(x, TLanes.Broadcast(-200f), TLanes.Broadcast(200f));
        TLanes n = TLanes.Round(x * TLanes.Broadcast(1.44269504f));

        // r = x - n·ln 2, ln 2 in two parts (Cody and Waite), so that n·(first part) is exact.
        TLanes r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-0.693359375f), x);
        r = TLanes.MultiplyAdd(n, TLanes.Broadcast(2.12194440e-4f), r);

        // e^r on [-ln 2/2, ln 2/2], 3.1e-9.
        TLanes p = TLanes.Broadcast(1.3814613e-3f);
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(8.3687098e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(4.1668387e-2f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(0.16666521f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(0.49999993f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1f));
        return TLanes.Scale(p, n);
    }

    /// <summary>Computes <c>log(1 + x)</c> for <c>0 ≤ x ≤ 1</c>, without the cancellation of forming 1 + x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Log1p<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        // log(1 + x) = 2·atanh(s), s = x / (2 + x) in [0, 1/3]; atanh(s)/s as a polynomial in s².
        TLanes s = x / (x + TLanes.Broadcast(2f));
        return (s + s) * AtanhOverS(s * s);
    }

    /// <summary>Computes <c>atanh(s)/s</c> of <c>t = s²</c>, <c>|s| ≤ 1/3</c>, to 4.5e-9.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes AtanhOverS<TLanes>(TLanes t)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes p = TLanes.Broadcast(0.14012229f);
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(0.13999571f));
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(0.20010850f));
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(0.33333207f));
        return TLanes.MultiplyAdd(p, t, TLanes.Broadcast(1f));
    }

    /// <summary>Computes <c>1 / (1 + e^-x)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Sigmoid<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> =>
        TLanes.Broadcast(1f) / (TLanes.Broadcast(1f) + Exp(-x));

    /// <summary>Computes <c>log(1 + e^x)</c>, the identity above 20 as the reference implementation has it.</summary>
    /// <remarks>
    /// <c>log(1 + e^x)</c> as written overflows at x = 89; <c>max(x, 0) + log1p(e^-|x|)</c> does not.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Softplus<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> => Softplus(x, Exp(-TLanes.Abs(x)));

    /// <summary>Computes <c>log(1 + e^x)</c> and its derivative, the sigmoid, from one exponential.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TLanes Value, TLanes Slope) SoftplusAndSlope<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes e = Exp(-TLanes.Abs(x)), one = TLanes.Broadcast(1f);
        return (Softplus(x, e), TLanes.IfLess(x, TLanes.Broadcast(0f), e, one) / (one + e));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Softplus<TLanes>(TLanes x, TLanes e)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Broadcast(0f);
        return TLanes.IfLess(TLanes.Broadcast(20f), x, x, TLanes.IfLess(zero, x, x, zero) + Log1p(e));
    }
}
