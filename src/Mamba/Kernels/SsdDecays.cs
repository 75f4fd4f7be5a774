using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Δ of one head in one chunk, and the decays that follow from it.</summary>
/// <remarks>The exponents are kept in units of ln 2, so that a decay is 2 to their power.</remarks>
internal readonly unsafe struct SsdDecays
{
    /// <summary>
    /// 2 to less than this counts as 0: what is multiplied by such a decay would often be subnormal, and a product of
    /// these costs a hundred others.
    /// </summary>
    private const float LeastExponent = -100f;

    /// <summary>
    /// What a token adds to the sums at the most: a decay of 0, as any stronger one. Added as they are, stronger ones
    /// would take the digits of the weak ones behind them (-1e20 leaves none), and pass what a float holds, where
    /// differences are -∞ + ∞.
    /// </summary>
    private const double StrongestExponent = -128;

    private readonly float* _sum;
    private readonly float* _rest;

    public SsdDecays(ref Arena arena, int chunk)
    {
        Delta = arena.Vector(chunk);
        FromStart = arena.Vector(chunk);
        ToEnd = arena.Vector(chunk);
        _sum = arena.Vector(chunk);
        _rest = arena.Vector(chunk);
    }

    /// <summary>Δ_t.</summary>
    public float* Delta { get; }

    /// <summary>exp(a_t): what is left at t of the state before the chunk, a_t being Δ·A summed up to t.</summary>
    public float* FromStart { get; }

    /// <summary>exp(a_last - a_t): what is left at the end of the chunk of what came in at t.</summary>
    public float* ToEnd { get; }

    /// <summary>Computes everything for <paramref name="tokens"/> tokens, of which there is at least one.</summary>
    public void Fill<TLanes>(in SsdOperands head, int tokens)
        where TLanes : struct, ILanes<TLanes>
    {
        float bias = head.DeltaBias == null ? 0f : *head.DeltaBias;
        for (int t = 0; t < tokens; t++)
        {
            Delta[t] = *head.Delta[t] + bias;
        }

        if (head.Softplus)
        {
            Map.Run<Elementwise.Softplus>(Delta, Delta, tokens);
        }

        // The sums go in double and are kept in two floats: behind tokens of strong decay, a_t - a_s of float sums
        // would lose the digits of weak ones (a sum of -500 is good to 3e-5 only).
        double sum = 0, perDelta = head.LogDecay.IsNull ? *head.A * Math.Log2(Math.E) : 0;
        int whole = SmallProduct.WholeColumns(tokens);
        for (int t = 0; t < whole; t++)
        {
            if (t < tokens)
            {
                Delta[t] = Math.Min(Math.Max(Delta[t], head.DeltaMin), head.DeltaMax);
                double exponent = head.LogDecay.IsNull ? Delta[t] * perDelta : *head.LogDecay[t] * Math.Log2(Math.E);
                sum += Math.Clamp(exponent, StrongestExponent, 0);
            }

            _sum[t] = (float)sum;
            _rest[t] = (float)(sum - _sum[t]);
        }

        for (int t = 0; t < whole; t += TLanes.Count)
        {
            TLanes.Store(DecayOf(TLanes.Load(_sum + t)), FromStart + t);
            TLanes.Store(Since<TLanes>(tokens - 1, t), ToEnd + t);
        }
    }

    /// <summary>exp(a_t - a_s), s in lanes from <paramref name="s"/> on; 1 where s is later than t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLanes Since<TLanes>(int t, int s)
        where TLanes : struct, ILanes<TLanes> =>
        Between(
            TLanes.Broadcast(_sum[t]), TLanes.Broadcast(_rest[t]), TLanes.Load(_sum + s), TLanes.Load(_rest + s));

    /// <summary>exp(a_t - a_s), t in lanes from <paramref name="t"/> on; 1 where t is earlier than s.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLanes Until<TLanes>(int s, int t)
        where TLanes : struct, ILanes<TLanes> =>
        Between(
            TLanes.Load(_sum + t), TLanes.Load(_rest + t), TLanes.Broadcast(_sum[s]), TLanes.Broadcast(_rest[s]));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Between<TLanes>(TLanes sumT, TLanes restT, TLanes sumS, TLanes restS)
        where TLanes : struct, ILanes<TLanes> =>
        DecayOf(sumT - sumS + (restT - restS));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes DecayOf<TLanes>(TLanes exponent)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes zero = TLanes.Broadcast(0f);
        TLanes decay = LaneMath.Exp2(TLanes.IfLess(zero, exponent, zero, exponent));
        return TLanes.IfLess(exponent, TLanes.Broadcast(LeastExponent), zero, decay);
    }
}
