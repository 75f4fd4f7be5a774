namespace Mamba.Simd;

/// <summary>Drives an <see cref="IZip"/> over memory, down the widths.</summary>
internal static unsafe class Zip
{
    /// <summary>Computes <c>y[i] = f(a[i], b[i])</c>; <paramref name="y"/> may be either input.</summary>
    public static void Run<TOp>(float* a, float* b, float* y, nint length)
        where TOp : struct, IZip
    {
        nint i = 0;
        if (Width.Has512) { i = Run<TOp, Lanes512>(a, b, y, i, length); }
        if (Width.Has256) { i = Run<TOp, Lanes256>(a, b, y, i, length); }
        if (Width.Has128) { i = Run<TOp, Lanes128>(a, b, y, i, length); }
        Run<TOp, Lane>(a, b, y, i, length);
    }

    /// <summary>Computes <c>y[i] = f(a[i], b)</c>; <paramref name="y"/> may be <paramref name="a"/>.</summary>
    public static void Run<TOp>(float* a, float b, float* y, nint length)
        where TOp : struct, IZip
    {
        nint i = 0;
        if (Width.Has512) { i = Run<TOp, Lanes512>(a, b, y, i, length); }
        if (Width.Has256) { i = Run<TOp, Lanes256>(a, b, y, i, length); }
        if (Width.Has128) { i = Run<TOp, Lanes128>(a, b, y, i, length); }
        Run<TOp, Lane>(a, b, y, i, length);
    }

    /// <summary>Computes <c>ga[i] += gy[i]·∂f(a[i], b)/∂a</c>.</summary>
    public static void RunBackward<TOp>(float* a, float b, float* gy, float* ga, nint length)
        where TOp : struct, IZip
    {
        nint i = 0;
        if (Width.Has512) { i = RunBackward<TOp, Lanes512>(a, b, gy, ga, i, length); }
        if (Width.Has256) { i = RunBackward<TOp, Lanes256>(a, b, gy, ga, i, length); }
        if (Width.Has128) { i = RunBackward<TOp, Lanes128>(a, b, gy, ga, i, length); }
        RunBackward<TOp, Lane>(a, b, gy, ga, i, length);
    }

    /// <summary>
    /// Computes <c>ga[i] += gy[i]·∂f/∂a</c> and <c>gb[i] += gy[i]·∂f/∂b</c>; a gradient that is null is not computed.
    /// </summary>
    public static void RunBackward<TOp>(float* a, float* b, float* gy, float* ga, float* gb, nint length)
        where TOp : struct, IZip
    {
        nint i = 0;
        if (Width.Has512) { i = RunBackward<TOp, Lanes512>(a, b, gy, ga, gb, i, length); }
        if (Width.Has256) { i = RunBackward<TOp, Lanes256>(a, b, gy, ga, gb, i, length); }
        if (Width.Has128) { i = RunBackward<TOp, Lanes128>(a, b, gy, ga, gb, i, length); }
        RunBackward<TOp, Lane>(a, b, gy, ga, gb, i, length);
    }

    private static nint Run<TOp, TLanes>(float* a, float* b, float* y, nint i, nint length)
        where TOp : struct, IZip
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TOp.Apply(TLanes.Load(a + i), TLanes.Load(b + i)), y + i);
        }

        return i;
    }

    private static nint RunBackward<TOp, TLanes>(
        float* a, float* b, float* gy, float* ga, float* gb, nint i, nint length)
        where TOp : struct, IZip
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes left = TLanes.Load(a + i), right = TLanes.Load(b + i), g = TLanes.Load(gy + i);
            if (ga != null)
            {
                TLanes.Store(TLanes.MultiplyAdd(g, TOp.DerivativeA(left, right), TLanes.Load(ga + i)), ga + i);
            }

            if (gb != null)
            {
                TLanes.Store(TLanes.MultiplyAdd(g, TOp.DerivativeB(left, right), TLanes.Load(gb + i)), gb + i);
            }
        }

        return i;
    }

    private static nint Run<TOp, TLanes>(float* a, float b, float* y, nint i, nint length)
        where TOp : struct, IZip
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes right = TLanes.Broadcast(b);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TOp.Apply(TLanes.Load(a + i), right), y + i);
        }

        return i;
    }

    private static nint RunBackward<TOp, TLanes>(float* a, float b, float* gy, float* ga, nint i, nint length)
        where TOp : struct, IZip
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes right = TLanes.Broadcast(b);
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes slope = TOp.DerivativeA(TLanes.Load(a + i), right);
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(gy + i), slope, TLanes.Load(ga + i)), ga + i);
        }

        return i;
    }
}
