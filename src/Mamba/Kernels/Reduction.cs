using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Terms of sums over all elements, and the addition of a scalar.</summary>
internal static unsafe class Reduction
{
    /// <summary>Computes <c>y[i] += value</c>.</summary>
    public static void AddScalar(float value, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = AddScalar<Lanes512>(value, y, i, length); }
        if (Width.Has256) { i = AddScalar<Lanes256>(value, y, i, length); }
        if (Width.Has128) { i = AddScalar<Lanes128>(value, y, i, length); }
        AddScalar<Lane>(value, y, i, length);
    }

    private static nint AddScalar<TLanes>(float value, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes values = TLanes.Broadcast(value);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(y + i) + values, y + i);
        }

        return i;
    }

    /// <summary><c>x[i]</c></summary>
    public readonly struct Values(float* x) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + i);
    }

    /// <summary><c>x[i]²</c></summary>
    public readonly struct Squares(float* x) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes>
        {
            TLanes value = TLanes.Load(x + i);
            return value * value;
        }
    }

    /// <summary><c>x[i]·y[i]</c></summary>
    public readonly struct Products(float* x, float* y) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + i) * TLanes.Load(y + i);
    }
}
