using System.Runtime.CompilerServices;

namespace Mamba.Simd;

/// <summary>Sine and cosine over lanes, for complex decays.</summary>
internal static class LaneTrigonometry
{
    /// <summary>Computes sin x and cos x to 3e-7, for |x| up to some thousand turns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TLanes Sin, TLanes Cos) SinCos<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        // r = x - 2π·n, 2π in two parts (Cody and Waite), so that n·(first part) is exact.
        TLanes turns = x * TLanes.Broadcast(0.15915494f);
        TLanes n = turns - TLanes.Fraction(turns);
        TLanes r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-6.28125f), x);
        r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-1.9353072e-3f), r);

        // Taylor's series at half the angle, within ±π/2, 1e-8; doubling it needs no distinction of quadrants.
        TLanes half = r * TLanes.Broadcast(0.5f);
        TLanes t = half * half;
        TLanes s = TLanes.Broadcast(1.6059044e-10f);
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(-2.5052108e-8f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(2.7557319e-6f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(-1.9841270e-4f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(8.3333333e-3f));
        s = TLanes.MultiplyAdd(s, t, TLanes.Broadcast(-0.16666667f));
        s = TLanes.MultiplyAdd(s * t, half, half);
        TLanes c = TLanes.Broadcast(2.0876757e-9f);
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(-2.7557319e-7f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(2.4801587e-5f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(-1.3888889e-3f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(4.1666667e-2f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(-0.5f));
        c = TLanes.MultiplyAdd(c, t, TLanes.Broadcast(1f));

        // sin 2h = 2·sin h·cos h, cos 2h = 1 - 2·sin² h
        TLanes twice = s + s;
        return (twice * c, TLanes.MultiplyAdd(-twice, s, TLanes.Broadcast(1f)));
    }
}
