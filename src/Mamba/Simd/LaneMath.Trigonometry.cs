using System.Runtime.CompilerServices;

namespace Mamba.Simd;

public static partial class LaneMath
{
    /// <summary>Computes sin x and cos x to 1e-7, for |x| up to some thousand turns.</summary>
    /// <remarks>Beyond, the results lie between -1 and 1 and have no right digit.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TLanes Sin, TLanes Cos) SinCos<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        // r = x - n·π/2, π/2 in two parts (Cody and Waite), so that n·(first part) is exact.
        TLanes quarters = x * TLanes.Broadcast(0.63661977f);
        TLanes n = quarters - TLanes.Fraction(quarters);
        TLanes r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-1.5703125f), x);
        r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-4.8382679e-4f), r);

        // Beyond some thousand periods no digit of r is right, but it stays in range.
        r = TLanes.Max(TLanes.Min(r, TLanes.Broadcast(0.8f)), TLanes.Broadcast(-0.8f));

        // Taylor's series within ±π/4, 2e-9 and 2e-9.
        TLanes t = r * r;
        TLanes s = TLanes.Broadcast(2.7557319e-6f);
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(-1.9841270e-4f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(8.3333333e-3f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(-0.16666667f));
        s = TLanes.MultiplyAdd(s * t, r, r);
        TLanes c = TLanes.Broadcast(-2.7557319e-7f);
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(2.4801587e-5f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(-1.3888889e-3f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(4.1666667e-2f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(-0.5f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(1f));

        // The quadrant n mod 4 as turns: 0, ¼, ±½, -¼. Sine and cosine change places in the odd ones.
        TLanes turn = TLanes.Fraction(n * TLanes.Broadcast(0.25f));
        TLanes low = TLanes.Broadcast(0.1f), high = TLanes.Broadcast(0.4f), size = TLanes.Abs(turn);
        TLanes sin = TLanes.IfLess(size, low, s, TLanes.IfLess(size, high, c, -s));
        TLanes cos = TLanes.IfLess(size, low, c, TLanes.IfLess(size, high, -s, -c));

        // In the quadrant -¼ both have the opposite sign of those in ¼.
        TLanes one = TLanes.Broadcast(1f);
        TLanes sign = TLanes.IfLess(turn, -low, TLanes.IfLess(size, high, -one, one), one);
        return (sin * sign, cos * sign);
    }
}
