using System.Runtime.CompilerServices;

namespace Mamba.Simd;

/// <summary>The terms of a sum, <c>Σ f(i)</c>, computed in lanes.</summary>
internal interface ITerm
{
    /// <summary>The terms <paramref name="i"/>, i + 1, … of one register.</summary>
    TLanes At<TLanes>(nint i)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>Sums an <see cref="ITerm"/>, down the widths.</summary>
internal static class Reduce
{
    /// <summary>
    /// Within a block every lane adds some tens of float32; the blocks are added in double, so the error stays near
    /// 1e-7 for sums of any length. 10⁷ equal terms in one float32 would stop growing at 2^24 of them. Without vector
    /// registers each of four accumulators sums a quarter of a block; with 1,024 terms, their error was 1e-6.
    /// </summary>
    private static nint BlockLength => Width.Has128 ? 1024 : 64;

    /// <summary>Computes <c>Σ f(i)</c>, i from 0 to length - 1, in an order fixed by the length.</summary>
    public static double Sum<TTerm>(TTerm term, nint length)
        where TTerm : struct, ITerm
    {
        double sum = 0;
        for (nint start = 0; start < length; start += BlockLength)
        {
            nint i = start, end = Math.Min(start + BlockLength, length);
            if (Width.Has512) { sum += SumLanes<TTerm, Lanes512>(term, ref i, end); }
            if (Width.Has256) { sum += SumLanes<TTerm, Lanes256>(term, ref i, end); }
            if (Width.Has128) { sum += SumLanes<TTerm, Lanes128>(term, ref i, end); }
            sum += SumLanes<TTerm, Lane>(term, ref i, end);
        }

        return sum;
    }

    // One call per width: all widths in one method would exceed the JIT's inlining budget.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float SumLanes<TTerm, TLanes>(TTerm term, ref nint next, nint end)
        where TTerm : struct, ITerm
        where TLanes : struct, ILanes<TLanes>
    {
        nint i = next, count = TLanes.Count;
        if (i > end - count)
        {
            return 0f;
        }

        // Four accumulators hide the latency of the addition.
        TLanes s0 = TLanes.Broadcast(0f), s1 = s0, s2 = s0, s3 = s0;
        for (; i <= end - (4 * count); i += 4 * count)
        {
            s0 += term.At<TLanes>(i);
            s1 += term.At<TLanes>(i + count);
            s2 += term.At<TLanes>(i + (2 * count));
            s3 += term.At<TLanes>(i + (3 * count));
        }

        for (; i <= end - count; i += count)
        {
            s0 += term.At<TLanes>(i);
        }

        next = i;
        return TLanes.Sum(s0 + s1 + (s2 + s3));
    }
}
