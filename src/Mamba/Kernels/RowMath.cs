using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Operations on one or two rows of numbers, for every register width.</summary>
internal static unsafe class RowMath
{
    /// <summary>Floats of a cache line.</summary>
    private const int LineLength = 16;

    /// <summary>Computes <c>y[i] = scale·x[i]</c>; y may be x.</summary>
    public static void Scale(float* x, float scale, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = Scale<Lanes512>(x, scale, y, i, length); }
        if (Width.Has256) { i = Scale<Lanes256>(x, scale, y, i, length); }
        if (Width.Has128) { i = Scale<Lanes128>(x, scale, y, i, length); }
        Scale<Lane>(x, scale, y, i, length);
    }

    /// <summary>Computes <c>y[i] += a[i]·b[i]</c>.</summary>
    public static void AddProduct(float* a, float* b, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = AddProduct<Lanes512>(a, b, y, i, length); }
        if (Width.Has256) { i = AddProduct<Lanes256>(a, b, y, i, length); }
        if (Width.Has128) { i = AddProduct<Lanes128>(a, b, y, i, length); }
        AddProduct<Lane>(a, b, y, i, length);
    }

    /// <summary>Computes <c>Σ_i a[i]·b[i]</c>, in an order that depends on the length alone.</summary>
    public static float Dot(float* a, float* b, nint length)
    {
        nint i = 0;
        float sum = 0;
        if (Width.Has512) { i = AddDot<Lanes512>(a, b, i, length, ref sum); }
        if (Width.Has256) { i = AddDot<Lanes256>(a, b, i, length, ref sum); }
        if (Width.Has128) { i = AddDot<Lanes128>(a, b, i, length, ref sum); }
        AddDot<Lane>(a, b, i, length, ref sum);
        return sum;
    }

    /// <summary>Prefetches a row into L2; any address is allowed.</summary>
    public static void Prefetch(float* row, int length)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < length; i += LineLength)
            {
                Sse.Prefetch1(row + i);
            }
        }
    }

    /// <summary>Computes <c>y[i] = x[i]·scale[i] + shift[i]</c>.</summary>
    public static void ScaleShift(float* x, float* scale, float* shift, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = ScaleShift<Lanes512>(x, scale, shift, y, i, length); }
        if (Width.Has256) { i = ScaleShift<Lanes256>(x, scale, shift, y, i, length); }
        if (Width.Has128) { i = ScaleShift<Lanes128>(x, scale, shift, y, i, length); }
        ScaleShift<Lane>(x, scale, shift, y, i, length);
    }

    /// <summary>Computes <c>y[i] = x[i]·scale + shift</c>.</summary>
    public static void ScaleShift(float* x, float scale, float shift, float* y, nint length)
    {
        nint i = 0;
        if (Width.Has512) { i = ScaleShift<Lanes512>(x, scale, shift, y, i, length); }
        if (Width.Has256) { i = ScaleShift<Lanes256>(x, scale, shift, y, i, length); }
        if (Width.Has128) { i = ScaleShift<Lanes128>(x, scale, shift, y, i, length); }
        ScaleShift<Lane>(x, scale, shift, y, i, length);
    }

    private static nint ScaleShift<TLanes>(float* x, float* scale, float* shift, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes terms = TLanes.Load(shift + i);
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(x + i), TLanes.Load(scale + i), terms), y + i);
        }

        return i;
    }

    private static nint ScaleShift<TLanes>(float* x, float scale, float shift, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes factor = TLanes.Broadcast(scale), term = TLanes.Broadcast(shift);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(x + i), factor, term), y + i);
        }

        return i;
    }

    private static nint Scale<TLanes>(float* x, float scale, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes factor = TLanes.Broadcast(scale);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(factor * TLanes.Load(x + i), y + i);
        }

        return i;
    }

    private static nint AddProduct<TLanes>(float* a, float* b, float* y, nint i, nint length)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), TLanes.Load(y + i)), y + i);
        }

        return i;
    }

    private static nint AddDot<TLanes>(float* a, float* b, nint i, nint length, ref float sum)
        where TLanes : struct, ILanes<TLanes>
    {
        if (i > length - TLanes.Count)
        {
            return i;
        }

        TLanes products = TLanes.Broadcast(0f);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            products = TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), products);
        }

        sum += TLanes.Sum(products);
        return i;
    }
}
