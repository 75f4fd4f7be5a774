using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Four registers, one for each of four rows.</summary>
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

    /// <summary>Loads a register of each of four rows from <paramref name="k"/> on. The format has no scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Four<TLanes> Load<TOf>(byte* row0, byte* row1, byte* row2, byte* row3, nint k)
        where TOf : struct, IWeightFormat => new(
            TOf.Load<TLanes>(row0, k, null),
            TOf.Load<TLanes>(row1, k, null),
            TOf.Load<TLanes>(row2, k, null),
            TOf.Load<TLanes>(row3, k, null));

    /// <summary>Loads a register of each of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Four<TLanes> Load(float* source, nint pitch) => new(
        TLanes.Load(source),
        TLanes.Load(source + pitch),
        TLanes.Load(source + (2 * pitch)),
        TLanes.Load(source + (3 * pitch)));

    /// <summary>Computes <c>factor·rows + sum</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Four<TLanes> MultiplyAdd(TLanes factor, Four<TLanes> rows, Four<TLanes> sum) => new(
        TLanes.MultiplyAdd(factor, rows._v0, sum._v0),
        TLanes.MultiplyAdd(factor, rows._v1, sum._v1),
        TLanes.MultiplyAdd(factor, rows._v2, sum._v2),
        TLanes.MultiplyAdd(factor, rows._v3, sum._v3));

    /// <summary>Stores the registers consecutively.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target)
    {
        TLanes.Store(_v0, target);
        TLanes.Store(_v1, target + TLanes.Count);
        TLanes.Store(_v2, target + (2 * TLanes.Count));
        TLanes.Store(_v3, target + (3 * TLanes.Count));
    }

    /// <summary>Adds the lanes of each row, in the order of <c>Sum</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddSums(Four<TLanes> even, Four<TLanes> odd, float* sums) => TLanes.AddSums(
        even._v0 + odd._v0, even._v1 + odd._v1, even._v2 + odd._v2, even._v3 + odd._v3, sums);
}
