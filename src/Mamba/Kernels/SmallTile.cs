using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The innermost loop of a <see cref="SmallProduct"/>: four or eight rows by one or two registers of accumulators. An
/// element is one accumulator, in the order of k.
/// </summary>
internal static unsafe class SmallTile
{
    /// <summary>
    /// Computes <c>y = keep·y + factor·Σ_k left[·, k]·right[k, ·]</c> for <c>from ≤ k &lt; to</c> and for the k of
    /// each row in <paramref name="triangle"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TLanes, THeight, TBreadth>(
        Rows left, Rows right, Rows y, float keep, float* factors, nint from, nint to, Triangle triangle)
        where TLanes : struct, ILanes<TLanes>
        where THeight : struct, ICount
        where TBreadth : struct, ICount
    {
        TLanes zero = TLanes.Broadcast(0f);
        TLanes y00 = zero, y10 = zero, y20 = zero, y30 = zero, y40 = zero, y50 = zero, y60 = zero, y70 = zero;
        TLanes y01 = zero, y11 = zero, y21 = zero, y31 = zero, y41 = zero, y51 = zero, y61 = zero, y71 = zero;
        float* l0 = left[0], l1 = left[1], l2 = left[2], l3 = left[3];
        float* l4 = left[4], l5 = left[5], l6 = left[6], l7 = left[7];
        float* r = right[from];
        for (nint k = from; k < to; k++)
        {
            TLanes r0 = TLanes.Load(r), r1 = TBreadth.Value == 2 ? TLanes.Load(r + TLanes.Count) : default;
            Add<TLanes, TBreadth>(l0[k], r0, r1, ref y00, ref y01);
            Add<TLanes, TBreadth>(l1[k], r0, r1, ref y10, ref y11);
            Add<TLanes, TBreadth>(l2[k], r0, r1, ref y20, ref y21);
            Add<TLanes, TBreadth>(l3[k], r0, r1, ref y30, ref y31);
            if (THeight.Value == 8)
            {
                Add<TLanes, TBreadth>(l4[k], r0, r1, ref y40, ref y41);
                Add<TLanes, TBreadth>(l5[k], r0, r1, ref y50, ref y51);
                Add<TLanes, TBreadth>(l6[k], r0, r1, ref y60, ref y61);
                Add<TLanes, TBreadth>(l7[k], r0, r1, ref y70, ref y71);
            }

            r += right.Pitch;
        }

        // The diagonal block. Terms beyond the diagonal are skipped, not multiplied by zero: 0·NaN and 0·∞ are NaN.
        r = right[triangle.From];
        for (nint k = triangle.From; k < triangle.To; k++)
        {
            TLanes r0 = TLanes.Load(r), r1 = TBreadth.Value == 2 ? TLanes.Load(r + TLanes.Count) : default;
            if (triangle.Has(0, k)) { Add<TLanes, TBreadth>(l0[k], r0, r1, ref y00, ref y01); }
            if (triangle.Has(1, k)) { Add<TLanes, TBreadth>(l1[k], r0, r1, ref y10, ref y11); }
            if (triangle.Has(2, k)) { Add<TLanes, TBreadth>(l2[k], r0, r1, ref y20, ref y21); }
            if (triangle.Has(3, k)) { Add<TLanes, TBreadth>(l3[k], r0, r1, ref y30, ref y31); }
            if (THeight.Value == 8)
            {
                if (triangle.Has(4, k)) { Add<TLanes, TBreadth>(l4[k], r0, r1, ref y40, ref y41); }
                if (triangle.Has(5, k)) { Add<TLanes, TBreadth>(l5[k], r0, r1, ref y50, ref y51); }
                if (triangle.Has(6, k)) { Add<TLanes, TBreadth>(l6[k], r0, r1, ref y60, ref y61); }
                if (triangle.Has(7, k)) { Add<TLanes, TBreadth>(l7[k], r0, r1, ref y70, ref y71); }
            }

            r += right.Pitch;
        }

        Store<TLanes, TBreadth>(y00, y01, keep, factors, 0, y);
        Store<TLanes, TBreadth>(y10, y11, keep, factors, 1, y);
        Store<TLanes, TBreadth>(y20, y21, keep, factors, 2, y);
        Store<TLanes, TBreadth>(y30, y31, keep, factors, 3, y);
        if (THeight.Value == 8)
        {
            Store<TLanes, TBreadth>(y40, y41, keep, factors, 4, y);
            Store<TLanes, TBreadth>(y50, y51, keep, factors, 5, y);
            Store<TLanes, TBreadth>(y60, y61, keep, factors, 6, y);
            Store<TLanes, TBreadth>(y70, y71, keep, factors, 7, y);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TLanes, TBreadth>(float left, TLanes r0, TLanes r1, ref TLanes y0, ref TLanes y1)
        where TLanes : struct, ILanes<TLanes>
        where TBreadth : struct, ICount
    {
        TLanes l = TLanes.Broadcast(left);
        y0 = TLanes.MultiplyAdd(l, r0, y0);
        if (TBreadth.Value == 2)
        {
            y1 = TLanes.MultiplyAdd(l, r1, y1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLanes, TBreadth>(
        TLanes sum0, TLanes sum1, float keep, float* factors, nint row, Rows y)
        where TLanes : struct, ILanes<TLanes>
        where TBreadth : struct, ICount
    {
        TLanes factor = TLanes.Broadcast(factors == null ? 1f : factors[row]), kept = TLanes.Broadcast(keep);
        float* target = y[row];
        TLanes y0 = factor * sum0, y1 = factor * sum1;
        if (keep != 0)
        {
            y0 = TLanes.MultiplyAdd(kept, TLanes.Load(target), y0);
            if (TBreadth.Value == 2)
            {
                y1 = TLanes.MultiplyAdd(kept, TLanes.Load(target + TLanes.Count), y1);
            }
        }

        TLanes.Store(y0, target);
        if (TBreadth.Value == 2)
        {
            TLanes.Store(y1, target + TLanes.Count);
        }
    }

    /// <summary>
    /// The k of a tile's diagonal block; row i has its diagonal at <c>From + i</c>. A row sums the k up to its diagonal
    /// if <c>IsLower</c>, else the k from its diagonal on.
    /// </summary>
    public readonly record struct Triangle(nint From, nint To, bool IsLower)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool Has(int row, nint k) => IsLower ? k <= From + row : k >= From + row;
    }

    /// <summary>A compile-time constant: the JIT removes what a smaller tile does not use.</summary>
    public interface ICount
    {
        static abstract int Value { get; }
    }

    public readonly struct One : ICount
    {
        public static int Value => 1;
    }

    public readonly struct Two : ICount
    {
        public static int Value => 2;
    }

    public readonly struct Four : ICount
    {
        public static int Value => 4;
    }

    public readonly struct Eight : ICount
    {
        public static int Value => 8;
    }
}
