using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>A row of a tile: one or more registers. Tiles are generic over their width and number.</summary>
internal unsafe interface IStrip<TSelf>
    where TSelf : struct, IStrip<TSelf>
{
    /// <summary>Number of floats.</summary>
    static abstract int Count { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Load(float* source);

    /// <summary>Computes <c>a·b + c</c>.</summary>
    static abstract TSelf MultiplyAdd(float a, TSelf b, TSelf c);

    /// <summary>Writes <c>start + value</c>, or the value alone if <paramref name="start"/> is null.</summary>
    static abstract void Store(TSelf value, float* start, float* target);
}

/// <summary>One register.</summary>
internal readonly unsafe struct Strip1<TLanes>(TLanes first) : IStrip<Strip1<TLanes>>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly TLanes _first = first;

    public static int Count => TLanes.Count;

    public static Strip1<TLanes> Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(TLanes.Broadcast(0f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip1<TLanes> Load(float* source) => new(TLanes.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip1<TLanes> MultiplyAdd(float a, Strip1<TLanes> b, Strip1<TLanes> c) =>
        new(TLanes.MultiplyAdd(TLanes.Broadcast(a), b._first, c._first));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Strip1<TLanes> value, float* start, float* target) =>
        TLanes.Store(start == null ? value._first : TLanes.Load(start) + value._first, target);
}

/// <summary>Two registers.</summary>
internal readonly unsafe struct Strip2<TLanes>(TLanes first, TLanes second) : IStrip<Strip2<TLanes>>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly TLanes _first = first;
    private readonly TLanes _second = second;

    public static int Count => 2 * TLanes.Count;

    public static Strip2<TLanes> Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(TLanes.Broadcast(0f), TLanes.Broadcast(0f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip2<TLanes> Load(float* source) => new(TLanes.Load(source), TLanes.Load(source + TLanes.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip2<TLanes> MultiplyAdd(float a, Strip2<TLanes> b, Strip2<TLanes> c)
    {
        TLanes factor = TLanes.Broadcast(a);
        return new(
            TLanes.MultiplyAdd(factor, b._first, c._first),
            TLanes.MultiplyAdd(factor, b._second, c._second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Strip2<TLanes> value, float* start, float* target)
    {
        Strip2<TLanes> sum = start == null ? value : Load(start) + value;
        TLanes.Store(sum._first, target);
        TLanes.Store(sum._second, target + TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip2<TLanes> operator +(Strip2<TLanes> left, Strip2<TLanes> right) =>
        new(left._first + right._first, left._second + right._second);
}

/// <summary>Three registers.</summary>
internal readonly unsafe struct Strip3<TLanes>(TLanes first, TLanes second, TLanes third) : IStrip<Strip3<TLanes>>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly TLanes _first = first;
    private readonly TLanes _second = second;
    private readonly TLanes _third = third;

    public static int Count => 3 * TLanes.Count;

    public static Strip3<TLanes> Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(TLanes.Broadcast(0f), TLanes.Broadcast(0f), TLanes.Broadcast(0f));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip3<TLanes> Load(float* source) =>
        new(TLanes.Load(source), TLanes.Load(source + TLanes.Count), TLanes.Load(source + (2 * TLanes.Count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip3<TLanes> MultiplyAdd(float a, Strip3<TLanes> b, Strip3<TLanes> c)
    {
        TLanes factor = TLanes.Broadcast(a);
        return new(
            TLanes.MultiplyAdd(factor, b._first, c._first),
            TLanes.MultiplyAdd(factor, b._second, c._second),
            TLanes.MultiplyAdd(factor, b._third, c._third));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Strip3<TLanes> value, float* start, float* target)
    {
        Strip3<TLanes> sum = start == null ? value : Load(start) + value;
        TLanes.Store(sum._first, target);
        TLanes.Store(sum._second, target + TLanes.Count);
        TLanes.Store(sum._third, target + (2 * TLanes.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Strip3<TLanes> operator +(Strip3<TLanes> left, Strip3<TLanes> right) =>
        new(left._first + right._first, left._second + right._second, left._third + right._third);
}
