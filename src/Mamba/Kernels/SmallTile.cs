using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The innermost part of a <see cref="SmallProduct"/>: four or eight rows by one or two registers of sums, which stay
/// in registers while k runs. Every sum is one chain of multiply-adds in the order of k.
/// </summary>
internal static unsafe class SmallTile
{
    /// <summary>Computes <c>y = scale·y + Σ_k left[·, k]·right[k, ·]</c> for <c>from ≤ k &lt; to</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TLanes, THeight, TBreadth>(Rows left, Rows right, Rows y, float scale, nint from, nint to)
        where TLanes : struct, ILanes<TLanes>
        where THeight : struct, ICount
        where TBreadth : struct, ICount
    {
        TLanes y00, y10, y20, y30, y40 = default, y50 = default, y60 = default, y70 = default;
        TLanes y01, y11, y21, y31, y41 = default, y51 = default, y61 = default, y71 = default;
        Begin<TLanes, TBreadth>(y[0], scale, out y00, out y01);
        Begin<TLanes, TBreadth>(y[1], scale, out y10, out y11);
        Begin<TLanes, TBreadth>(y[2], scale, out y20, out y21);
        Begin<TLanes, TBreadth>(y[3], scale, out y30, out y31);
        if (THeight.Value == 8)
        {
            Begin<TLanes, TBreadth>(y[4], scale, out y40, out y41);
            Begin<TLanes, TBreadth>(y[5], scale, out y50, out y51);
            Begin<TLanes, TBreadth>(y[6], scale, out y60, out y61);
            Begin<TLanes, TBreadth>(y[7], scale, out y70, out y71);
        }

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

        End<TLanes, TBreadth>(y00, y01, y[0]);
        End<TLanes, TBreadth>(y10, y11, y[1]);
        End<TLanes, TBreadth>(y20, y21, y[2]);
        End<TLanes, TBreadth>(y30, y31, y[3]);
        if (THeight.Value == 8)
        {
            End<TLanes, TBreadth>(y40, y41, y[4]);
            End<TLanes, TBreadth>(y50, y51, y[5]);
            End<TLanes, TBreadth>(y60, y61, y[6]);
            End<TLanes, TBreadth>(y70, y71, y[7]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin<TLanes, TBreadth>(float* y, float scale, out TLanes y0, out TLanes y1)
        where TLanes : struct, ILanes<TLanes>
        where TBreadth : struct, ICount
    {
        y0 = y1 = TLanes.Broadcast(0f);
        if (scale != 0)
        {
            y0 = TLanes.Broadcast(scale) * TLanes.Load(y);
            if (TBreadth.Value == 2)
            {
                y1 = TLanes.Broadcast(scale) * TLanes.Load(y + TLanes.Count);
            }
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
    private static void End<TLanes, TBreadth>(TLanes y0, TLanes y1, float* y)
        where TLanes : struct, ILanes<TLanes>
        where TBreadth : struct, ICount
    {
        TLanes.Store(y0, y);
        if (TBreadth.Value == 2)
        {
            TLanes.Store(y1, y + TLanes.Count);
        }
    }

    /// <summary>
    /// A number that the compiler knows, so that a smaller tile is the larger one with parts left out.
    /// </summary>
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
