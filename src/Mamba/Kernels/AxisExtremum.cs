using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Chooses one of two numbers; NaN if either is NaN.</summary>
internal interface IExtremum
{
    static abstract TLanes Choose<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>The larger number.</summary>
internal readonly struct Largest : IExtremum
{
    public static TLanes Choose<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TLanes.Max(a, b);
}

/// <summary>The smaller number.</summary>
internal readonly struct Smallest : IExtremum
{
    public static TLanes Choose<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TLanes.Min(a, b);
}

/// <summary>Maxima or minima over the middle axis of [outer, count, inner], and their positions.</summary>
internal static unsafe class AxisExtremum
{
    // Rows are counted in float lanes, which are exact up to 2^24.
    private const nint PlaceRows = 4096;

    // Floats of the widest register.
    private const int MaxLanes = 16;

    /// <summary>Computes <c>y[j]</c>, the extremum of <c>x[i, j]</c> over at least one row.</summary>
    public static void Across<TOp>(float* x, nint pitch, nint rows, nint width, float* y)
        where TOp : struct, IExtremum
    {
        // One or two rows first, so that pairs remain.
        Choose<TOp>(x, x + ((rows - 1) % 2 * pitch), x, y, width);
        for (nint row = 1 + ((rows - 1) % 2); row < rows; row += 2)
        {
            Choose<TOp>(x + (row * pitch), x + ((row + 1) * pitch), y, y, width);
        }
    }

    /// <summary>Computes <c>y[r]</c>, the extremum of <c>x[r, i]</c> over at least one i.</summary>
    /// <remarks>Four rows at a time, because the comparisons of one row are a dependency chain.</remarks>
    public static void Along<TOp>(float* x, nint count, nint rows, float* y)
        where TOp : struct, IExtremum
    {
        nint row = 0;
        for (; row <= rows - 4; row += 4)
        {
            AlongFour<TOp>(x + (row * count), count, count, y + row);
        }

        float* four = stackalloc float[4];
        for (; row < rows; row++)
        {
            AlongFour<TOp>(x + (row * count), count, 0, four);
            y[row] = *four;
        }
    }

    /// <summary>The extrema of four contiguous rows, <paramref name="pitch"/> apart.</summary>
    private static void AlongFour<TOp>(float* x, nint count, nint pitch, float* y)
        where TOp : struct, IExtremum
    {
        for (int row = 0; row < 4; row++)
        {
            y[row] = x[row * pitch];
        }

        nint i = 0;
        if (Width.Has512) { i = AlongFour<TOp, Lanes512>(x, count, pitch, i, y); }
        if (Width.Has256) { i = AlongFour<TOp, Lanes256>(x, count, pitch, i, y); }
        if (Width.Has128) { i = AlongFour<TOp, Lanes128>(x, count, pitch, i, y); }
        AlongFour<TOp, Lane>(x, count, pitch, i, y);
    }

    /// <summary>Finds the first row i with <c>x[i, j] = y[j]</c>; NaN equals NaN.</summary>
    public static void FindAcross(float* x, nint pitch, nint rows, int width, float* y, int* places)
    {
        float* found = stackalloc float[AxisSum.MaxWidth];
        new Span<int>(places, width).Fill(-1);
        int left = width;
        for (nint row = 0; row < rows && left > 0; row += PlaceRows)
        {
            nint end = Math.Min(PlaceRows, rows - row);
            new Span<float>(found, width).Fill(PlaceRows);
            for (nint i = 0; i < end; i++)
            {
                Find(x + ((row + i) * pitch), y, i, found, width);
            }

            for (int j = 0; j < width; j++)
            {
                if (places[j] < 0 && found[j] < PlaceRows)
                {
                    places[j] = (int)row + (int)found[j];
                    left--;
                }
            }
        }

        for (int j = 0; j < width; j++)
        {
            if (float.IsNaN(y[j]))
            {
                places[j] = 0;
                while (!float.IsNaN(x[(places[j] * pitch) + j]))
                {
                    places[j]++;
                }
            }
        }
    }

    /// <summary>Finds the first i with <c>x[i] = y</c>; NaN equals NaN.</summary>
    public static int FindAlong(float* x, float y, nint count)
    {
        nint i = 0;
        if (!float.IsNaN(y))
        {
            if (Width.Has512 && FindAlong<Lanes512>(x, y, ref i, count) is >= 0 and int wide) { return wide; }
            if (Width.Has256 && FindAlong<Lanes256>(x, y, ref i, count) is >= 0 and int middle) { return middle; }
            if (Width.Has128 && FindAlong<Lanes128>(x, y, ref i, count) is >= 0 and int narrow) { return narrow; }
        }

        return checked((int)i + new ReadOnlySpan<float>(x + i, (int)(count - i)).IndexOf(y));
    }

    private static int FindAlong<TLanes>(float* x, float y, ref nint next, nint count)
        where TLanes : struct, ILanes<TLanes>
    {
        float* each = stackalloc float[MaxLanes];
        TLanes wanted = TLanes.Broadcast(y), one = TLanes.Broadcast(1f), none = TLanes.Broadcast(PlaceRows);
        while (next <= count - TLanes.Count)
        {
            // Each lane counts the registers before its first equal number.
            TLanes place = none, here = TLanes.Broadcast(0f);
            nint start = next, end = start + (Math.Min(PlaceRows, (count - start) / TLanes.Count) * TLanes.Count);
            for (; next < end; next += TLanes.Count, here += one)
            {
                TLanes value = TLanes.Load(x + next);
                place = TLanes.Min(
                    place, TLanes.IfLess(value, wanted, none, TLanes.IfLess(wanted, value, none, here)));
            }

            TLanes.Store(place, each);
            int first = int.MaxValue;
            for (int lane = 0; lane < TLanes.Count; lane++)
            {
                first = each[lane] < PlaceRows ? Math.Min(first, ((int)each[lane] * TLanes.Count) + lane) : first;
            }

            if (first != int.MaxValue)
            {
                return checked((int)start + first);
            }
        }

        return -1;
    }

    private static void Choose<TOp>(float* a, float* b, float* c, float* y, nint width)
        where TOp : struct, IExtremum
    {
        nint j = 0;
        if (Width.Has512) { j = Choose<TOp, Lanes512>(a, b, c, y, j, width); }
        if (Width.Has256) { j = Choose<TOp, Lanes256>(a, b, c, y, j, width); }
        if (Width.Has128) { j = Choose<TOp, Lanes128>(a, b, c, y, j, width); }
        Choose<TOp, Lane>(a, b, c, y, j, width);
    }

    private static nint Choose<TOp, TLanes>(float* a, float* b, float* c, float* y, nint j, nint width)
        where TOp : struct, IExtremum
        where TLanes : struct, ILanes<TLanes>
    {
        for (; j <= width - TLanes.Count; j += TLanes.Count)
        {
            TLanes ofTwo = TOp.Choose(TLanes.Load(a + j), TLanes.Load(b + j));
            TLanes.Store(TOp.Choose(TLanes.Load(c + j), ofTwo), y + j);
        }

        return j;
    }

    private static nint AlongFour<TOp, TLanes>(float* x, nint count, nint pitch, nint i, float* y)
        where TOp : struct, IExtremum
        where TLanes : struct, ILanes<TLanes>
    {
        if (i > count - TLanes.Count)
        {
            return i;
        }

        float* x1 = x + pitch, x2 = x1 + pitch, x3 = x2 + pitch;
        TLanes b0 = TLanes.Load(x + i), b1 = TLanes.Load(x1 + i), b2 = TLanes.Load(x2 + i), b3 = TLanes.Load(x3 + i);
        for (i += TLanes.Count; i <= count - TLanes.Count; i += TLanes.Count)
        {
            b0 = TOp.Choose(b0, TLanes.Load(x + i));
            b1 = TOp.Choose(b1, TLanes.Load(x1 + i));
            b2 = TOp.Choose(b2, TLanes.Load(x2 + i));
            b3 = TOp.Choose(b3, TLanes.Load(x3 + i));
        }

        Fold<TOp, TLanes>(b0, y);
        Fold<TOp, TLanes>(b1, y + 1);
        Fold<TOp, TLanes>(b2, y + 2);
        Fold<TOp, TLanes>(b3, y + 3);
        return i;
    }

    /// <summary>Reduces <paramref name="y"/> and all lanes to one number.</summary>
    private static void Fold<TOp, TLanes>(TLanes lanes, float* y)
        where TOp : struct, IExtremum
        where TLanes : struct, ILanes<TLanes>
    {
        float* each = stackalloc float[MaxLanes];
        TLanes.Store(lanes, each);
        if (TLanes.Count == 16) { Halve<TOp, Lanes256>(each); }
        if (TLanes.Count >= 8) { Halve<TOp, Lanes128>(each); }
        Lane best = new(*y);
        for (nint lane = 0; lane < Math.Min(TLanes.Count, 4); lane++)
        {
            best = TOp.Choose(best, new Lane(each[lane]));
        }

        *y = best.Value;
    }

    private static void Halve<TOp, TLanes>(float* each)
        where TOp : struct, IExtremum
        where TLanes : struct, ILanes<TLanes> =>
        TLanes.Store(TOp.Choose(TLanes.Load(each), TLanes.Load(each + TLanes.Count)), each);

    /// <summary>Lowers <c>found[j]</c> to <paramref name="row"/> if x and y are equal, or either is NaN.</summary>
    private static void Find(float* x, float* y, nint row, float* found, int width)
    {
        int j = 0;
        if (Width.Has512) { j = Find<Lanes512>(x, y, row, found, j, width); }
        if (Width.Has256) { j = Find<Lanes256>(x, y, row, found, j, width); }
        if (Width.Has128) { j = Find<Lanes128>(x, y, row, found, j, width); }
        Find<Lane>(x, y, row, found, j, width);
    }

    private static int Find<TLanes>(float* x, float* y, nint row, float* found, int j, int width)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes here = TLanes.Broadcast(row), none = TLanes.Broadcast(PlaceRows);
        for (; j <= width - TLanes.Count; j += TLanes.Count)
        {
            TLanes value = TLanes.Load(x + j), best = TLanes.Load(y + j);
            TLanes place = TLanes.IfLess(value, best, none, TLanes.IfLess(best, value, none, here));
            TLanes.Store(TLanes.Min(TLanes.Load(found + j), place), found + j);
        }

        return j;
    }
}
