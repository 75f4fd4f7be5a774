using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Sums of products over the rows of two matrices, with the columns in lanes.</summary>
internal static unsafe class Products
{
    /// <summary>Adds <c>Σ_i a[i]·b[i]</c>, in order.</summary>
    /// <param name="sum">The accumulator.</param>
    /// <param name="a">The first row of one matrix.</param>
    /// <param name="stepA">Floats from one row of it to the next.</param>
    /// <param name="b">The first row of the other.</param>
    /// <param name="stepB">Floats from one row of it to the next.</param>
    /// <param name="count">Number of rows.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLanes>(ref TLanes sum, float* a, nint stepA, float* b, nint stepB, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; count > 0; count--, a += stepA, b += stepB)
        {
            sum = TLanes.MultiplyAdd(TLanes.Load(a), TLanes.Load(b), sum);
        }
    }

    /// <summary>
    /// Does the same for b and three matrices after it, each <paramref name="next"/> floats further. They share the
    /// loads of a, and their accumulators are independent.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFour<TLanes>(
        ref TLanes sum0,
        ref TLanes sum1,
        ref TLanes sum2,
        ref TLanes sum3,
        float* a,
        nint stepA,
        float* b,
        nint stepB,
        nint next,
        int count)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; count > 0; count--, a += stepA, b += stepB)
        {
            TLanes factor = TLanes.Load(a);
            sum0 = TLanes.MultiplyAdd(factor, TLanes.Load(b), sum0);
            sum1 = TLanes.MultiplyAdd(factor, TLanes.Load(b + next), sum1);
            sum2 = TLanes.MultiplyAdd(factor, TLanes.Load(b + (2 * next)), sum2);
            sum3 = TLanes.MultiplyAdd(factor, TLanes.Load(b + (3 * next)), sum3);
        }
    }

    /// <summary>Does the same for b and two matrices after it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddThree<TLanes>(
        ref TLanes sum0,
        ref TLanes sum1,
        ref TLanes sum2,
        float* a,
        nint stepA,
        float* b,
        nint stepB,
        nint next,
        int count)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; count > 0; count--, a += stepA, b += stepB)
        {
            TLanes factor = TLanes.Load(a);
            sum0 = TLanes.MultiplyAdd(factor, TLanes.Load(b), sum0);
            sum1 = TLanes.MultiplyAdd(factor, TLanes.Load(b + next), sum1);
            sum2 = TLanes.MultiplyAdd(factor, TLanes.Load(b + (2 * next)), sum2);
        }
    }
}
