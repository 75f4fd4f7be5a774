using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Mamba.Simd;

/// <summary>The function <c>2^x</c> for the decay of a state, with its numbers in registers.</summary>
/// <remarks>
/// The error of 9e-8 vanishes at 0, where decays are multiplied thousands of times: near 0 the error is a factor of
/// 1 - 3e-7 on x.
/// <para>
/// The JIT loads a constant from memory at every use, which costs a scan one load per multiplication. A loop therefore
/// creates this value first: because <see cref="Create"/> is not inlined, the JIT treats the fields as variables and
/// keeps them in registers.
/// </para>
/// </remarks>
internal readonly struct Decay<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly TLanes _p5;
    private readonly TLanes _p4;
    private readonly TLanes _p3;
    private readonly TLanes _p2;
    private readonly TLanes _p1;
    private readonly TLanes _one;
    private readonly TLanes _low;
    private readonly TLanes _high;
    private readonly TLanes _rounder;

    private Decay(float low, float high)
    {
        // 2^r on [-1/2, 1/2], 9.2e-8, with p(0) = 1: a minimax fit (Remez).
        _p5 = TLanes.Broadcast(1.32647272e-3f);
        _p4 = TLanes.Broadcast(9.67151264e-3f);
        _p3 = TLanes.Broadcast(5.55073374e-2f);
        _p2 = TLanes.Broadcast(0.240222421f);
        _p1 = TLanes.Broadcast(0.693146978f);
        _one = TLanes.Broadcast(1f);
        _low = TLanes.Broadcast(low);
        _high = TLanes.Broadcast(high);
        // Adding 1.5·2^23 rounds to an integer, which is then in the low bits.
        _rounder = TLanes.Broadcast(12582912f);
    }

    /// <summary>Makes the function.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Decay<TLanes> Create() => new(-127f, 128f);

    /// <summary>Computes <c>2^x</c>; 0 far below, infinity far above, NaN at NaN.</summary>
    /// <remarks>
    /// With AVX-512 one instruction scales. Without it, n is added to the exponent as an integer: for x &lt; -126,
    /// below the normal numbers, the error is at most 2^-126, and the result is 0 from -127 down.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLanes Of(TLanes x)
    {
        if (Avx512DQ.VL.IsSupported)
        {
            TLanes fraction = TLanes.Fraction(x);
            return TLanes.Scale(Polynomial(fraction), x - fraction);
        }

        x = TLanes.Clamp(x, _low, _high);
        TLanes shifted = x + _rounder;
        return TLanes.AddToExponent(Polynomial(x - (shifted - _rounder)), shifted);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TLanes Polynomial(TLanes r)
    {
        TLanes p = TLanes.MultiplyAdd(_p5, r, _p4);
        p = TLanes.MultiplyAdd(p, r, _p3);
        p = TLanes.MultiplyAdd(p, r, _p2);
        p = TLanes.MultiplyAdd(p, r, _p1);
        return TLanes.MultiplyAdd(p, r, _one);
    }
}
