using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Four registers, one for each of four rows of weights.</summary>
internal readonly unsafe struct Four<TLanes>(TLanes v0, TLanes v1, TLanes v2, TLanes v3)
    where TLanes : struct, INarrowLanes<TLanes>
{
    private readonly TLanes _v0 = v0;
    private readonly TLanes _v1 = v1;
    private readonly TLanes _v2 = v2;
    private readonly TLanes _v3 = v3;

    public static Four<TLanes> Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(TLanes.Broadcast(0f), TLanes.Broadcast(0f), TLanes.Broadcast(0f), TLanes.Broadcast(0f));
    }

    /// <summary>Loads weights of a format without scales, a register of each row from the k-th on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Four<TLanes> Load<TOf>(byte* w0, byte* w1, byte* w2, byte* w3, nint k)
        where TOf : struct, IWeightFormat => new(
            TOf.Load<TLanes>(w0, k, null),
            TOf.Load<TLanes>(w1, k, null),
            TOf.Load<TLanes>(w2, k, null),
            TOf.Load<TLanes>(w3, k, null));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Four<TLanes> MultiplyAdd(float* x, Four<TLanes> w, Four<TLanes> sum)
    {
        TLanes factor = TLanes.Load(x);
        return new(
            TLanes.MultiplyAdd(factor, w._v0, sum._v0),
            TLanes.MultiplyAdd(factor, w._v1, sum._v1),
            TLanes.MultiplyAdd(factor, w._v2, sum._v2),
            TLanes.MultiplyAdd(factor, w._v3, sum._v3));
    }

    /// <summary>Adds the lanes of each row, in the order of <c>Sum</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddSums(Four<TLanes> even, Four<TLanes> odd, float* sums) => TLanes.AddSums(
        even._v0 + odd._v0, even._v1 + odd._v1, even._v2 + odd._v2, even._v3 + odd._v3, sums);
}
