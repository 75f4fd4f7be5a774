using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Δ and the decays of one head in one chunk.</summary>
/// <remarks>Exponents are base 2: a decay is 2 to the power of its exponent.</remarks>
internal readonly unsafe struct SsdDecays
{
    /// <summary>
    /// A decay of a lower exponent counts as 0. Products with it would often be subnormal, and a subnormal product
    /// costs as much as a hundred others.
    /// </summary>
    private const float LeastExponent = -100f;

    /// <summary>
    /// The lowest exponent that a token adds to the sums; its decay is 0. Lower ones would take the digits of weak
    /// decays after them (-1e20 leaves none), and overflow float32, where differences are -∞ + ∞.
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

    /// <summary>exp(a_t): the decay at t of the state before the chunk; a_t is the sum of Δ·A up to t.</summary>
    public float* FromStart { get; }

    /// <summary>exp(a_last - a_t): the decay of token t's input at the end of the chunk.</summary>
    public float* ToEnd { get; }

    /// <summary>Computes Δ and the decays of <paramref name="tokens"/> tokens, at least one.</summary>
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

        // Sums are computed in double and stored as two floats. After tokens of strong decay, a_t - a_s of single
        // floats would lose the digits of weak decays: a sum of -500 is accurate to 3e-5 only.
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

    /// <summary>exp(a_t - a_s), s in lanes from <paramref name="s"/> on; 1 for s after t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLanes Since<TLanes>(int t, int s)
        where TLanes : struct, ILanes<TLanes> =>
        Between(
            TLanes.Broadcast(_sum[t]), TLanes.Broadcast(_rest[t]), TLanes.Load(_sum + s), TLanes.Load(_rest + s));

    /// <summary>exp(a_t - a_s), t in lanes from <paramref name="t"/> on; 1 for t before s.</summary>
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
