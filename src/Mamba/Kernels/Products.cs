using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Sums of products down the rows of two matrices, the columns in the lanes.</summary>
internal static unsafe class Products
{
    /// <summary>Adds <c>Σ_i a[i]·b[i]</c>, in order.</summary>
    /// <param name="sum">What is added to.</param>
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
    /// Does the same for b and three neighbours of it, <paramref name="next"/> floats on each, which share the loads of
    /// a and whose sums do not wait for each other.
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

    /// <summary>The same for b and two neighbours of it.</summary>
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
