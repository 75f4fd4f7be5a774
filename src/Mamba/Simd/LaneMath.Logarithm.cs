using System.Runtime.CompilerServices;

namespace Mamba.Simd;

public static partial class LaneMath
{
    /// <summary>Computes the natural logarithm; -infinity at 0, NaN below, infinity at infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Log<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Broadcast(0f), one = TLanes.Broadcast(1f), least = TLanes.Broadcast(1.17549435e-38f);

        // Subnormal numbers: a factor of 2^25 makes them normal.
        TLanes normal = TLanes.IfLess(x, least, x * TLanes.Broadcast(33554432f), x);
        TLanes n = TLanes.Exponent(normal);
        TLanes m = TLanes.Scale(normal, -n);
        n = TLanes.IfLess(x, least, n - TLanes.Broadcast(25f), n);

        // m in [√½, √2], so that log x has no cancellation near x = 1.
        TLanes root = TLanes.Broadcast(1.41421354f);
        n = TLanes.IfLess(root, m, n + one, n);
        m = TLanes.IfLess(root, m, m * TLanes.Broadcast(0.5f), m);

        // log m = 2·atanh(s), s = (m - 1)/(m + 1) in ±0.172; atanh(s)/s as in Log1p. ln 2 in two parts (Cody and
        // Waite), so that n·(first part) is exact.
        TLanes s = (m - one) / (m + one);
        TLanes low = TLanes.MultiplyAdd(n, TLanes.Broadcast(-2.12194440e-4f), (s + s) * AtanhOverS(s * s));
        TLanes log = TLanes.MultiplyAdd(n, TLanes.Broadcast(0.693359375f), low);

        // Arguments that are not positive and finite: x - infinity is -infinity at 0 and NaN at NaN.
        TLanes infinity = TLanes.Broadcast(float.PositiveInfinity);
        log = TLanes.IfLess(TLanes.Broadcast(float.MaxValue), x, x, log);
        return TLanes.IfLess(
            zero, x, log, TLanes.IfLess(x, zero, TLanes.Broadcast(float.NaN), x - infinity));
    }

    /// <summary>Computes <c>tanh x</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Tanh<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        // (1 - e)/(1 + e), e = e^(-2|x|), loses digits near 0: there Taylor's series, 2e-9 at 0.3.
        TLanes one = TLanes.Broadcast(1f), size = TLanes.Abs(x);
        TLanes e = Exp(size * TLanes.Broadcast(-2f));
        TLanes large = (one - e) / (one + e);
        TLanes t = x * x;
        TLanes p = TLanes.Broadcast(-8.8632355e-3f);
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(2.1869489e-2f));
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(-5.3968254e-2f));
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(0.13333333f));
        p = TLanes.MultiplyAdd(p, t, TLanes.Broadcast(-0.33333333f));
        TLanes small = TLanes.MultiplyAdd(x * t, p, x);
        return TLanes.IfLess(
            size, TLanes.Broadcast(0.3f), small, TLanes.IfLess(x, TLanes.Broadcast(0f), -large, large));
    }
}
