namespace Mamba.Simd;

/// <summary>Drives an <see cref="IMap"/> over memory, down the widths.</summary>
internal static unsafe class Map
{
    /// <summary>Computes <c>y[i] = f(x[i])</c>; <paramref name="y"/> may be <paramref name="x"/>.</summary>
    public static void Run<TOp>(float* x, float* y, nint length)
        where TOp : struct, IMap
    {
        nint i = 0;
        if (Width.Has512) { i = Run<TOp, Lanes512>(x, y, i, length); }
        if (Width.Has256) { i = Run<TOp, Lanes256>(x, y, i, length); }
        if (Width.Has128) { i = Run<TOp, Lanes128>(x, y, i, length); }
        Run<TOp, Lane>(x, y, i, length);
    }

    /// <summary>Computes <c>gx[i] += gy[i]·f'(x[i])</c>.</summary>
    public static void RunBackward<TOp>(float* x, float* gy, float* gx, nint length)
        where TOp : struct, IMap
    {
        nint i = 0;
        if (Width.Has512) { i = RunBackward<TOp, Lanes512>(x, gy, gx, i, length); }
        if (Width.Has256) { i = RunBackward<TOp, Lanes256>(x, gy, gx, i, length); }
        if (Width.Has128) { i = RunBackward<TOp, Lanes128>(x, gy, gx, i, length); }
        RunBackward<TOp, Lane>(x, gy, gx, i, length);
    }

    private static nint Run<TOp, TLanes>(float* x, float* y, nint i, nint length)
        where TOp : struct, IMap
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TOp.Apply(TLanes.Load(x + i)), y + i);
        }

        return i;
    }

    private static nint RunBackward<TOp, TLanes>(float* x, float* gy, float* gx, nint i, nint length)
        where TOp : struct, IMap
        where TLanes : struct, ILanes<TLanes>
    {
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes derivative = TOp.Derivative(TLanes.Load(x + i));
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(gy + i), derivative, TLanes.Load(gx + i)), gx + i);
        }

        return i;
    }
}
