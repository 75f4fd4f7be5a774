using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class DepthwiseConvolution2d
{
    /// <summary>
    /// Adds the gradient of the filters from one row of outputs, <c>gw[a, b] += Σ_j g[j]·x[…]</c> and
    /// <c>gbias += Σ_j g[j]</c>.
    /// </summary>
    /// <param name="down">The rows of pixels that the outputs read.</param>
    /// <param name="across">The pixels of a row that the outputs read.</param>
    /// <param name="row">The row of outputs.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="x">The pixels of the image.</param>
    /// <param name="g">The gradients of the weighted sums of the row.</param>
    /// <param name="sums">A row for each tap, [taps down, taps across], then one for the bias.</param>
    public static void RowToFilter(
        in TapLine down, in TapLine across, int row, int channels, Rows x, Rows g, Rows sums)
    {
        (int top, int bottom) = down.TapsInside(row);
        for (int start = 0; start < across.Places; start += ChunkLength)
        {
            int end = Math.Min(start + ChunkLength, across.Places);
            for (int a = top; a < bottom; a++)
            {
                nint line = (down.Origin + ((nint)row * down.Next) + ((nint)a * down.Step)) * across.Pixels;
                for (int b = 0; b < across.Taps; b += 4)
                {
                    Rows gw = sums.At((a * across.Taps) + b, 0);
                    TapsToFilter(across, channels, x, line, g, (start, end), gw, b, Math.Min(across.Taps - b, 4));
                }
            }

            AddRows(g.At(start, 0), end - start, sums[down.Taps * across.Taps], channels);
        }
    }

    /// <summary>Adds the gradients of up to four adjacent taps from some outputs of a row.</summary>
    private static void TapsToFilter(
        in TapLine across,
        int channels,
        Rows x,
        nint line,
        Rows g,
        (int Start, int End) places,
        Rows gw,
        int tap,
        int taps)
    {
        // Outputs whose taps all read pixels share the loads of g; at the edges every tap runs on its own.
        (int first, int last) = places;
        for (int t = 0; t < taps; t++)
        {
            (int from, int to) = across.PlacesInside(tap + t);
            (first, last) = (Math.Max(first, from), Math.Min(last, to));
        }

        if (taps >= 3 && last > first)
        {
            nint step = across.Step * x.Pitch;
            AddProducts(g.At(first, 0), PixelsOf(across, x, line, tap, first), last - first, gw, step, taps, channels);
        }
        else
        {
            first = last = places.End;
        }

        for (int t = 0; t < taps; t++)
        {
            (int from, int to) = across.PlacesInside(tap + t);
            (from, to) = (Math.Max(from, places.Start), Math.Min(to, places.End));
            Rows own = gw.At(t, 0);
            int count = Math.Min(to, first) - from, rest = Math.Max(last, from);
            AddProducts(g.At(from, 0), PixelsOf(across, x, line, tap + t, from), count, own, 0, 1, channels);
            AddProducts(g.At(rest, 0), PixelsOf(across, x, line, tap + t, rest), to - rest, own, 0, 1, channels);
        }
    }

    /// <summary>The pixels of a line that a tap reads for an output and its successors, one row for each.</summary>
    private static Rows PixelsOf(in TapLine across, Rows x, nint line, int tap, int place) =>
        new(x[line + across.Origin + ((nint)tap * across.Step) + ((nint)place * across.Next)], across.Next * x.Pitch);

    /// <summary>
    /// Computes <c>gw[t] += Σ_i g_i·x_{i, t}</c> for 1, 3 or 4 taps t, <paramref name="step"/> floats apart.
    /// </summary>
    private static void AddProducts(Rows g, Rows x, int count, Rows gw, nint step, int taps, int channels)
    {
        if (count <= 0)
        {
            return;
        }

        int c = 0;
        if (Width.Has512) { c = AddProducts<Lanes512>(g, x, count, gw, step, taps, c, channels); }
        if (Width.Has256) { c = AddProducts<Lanes256>(g, x, count, gw, step, taps, c, channels); }
        if (Width.Has128) { c = AddProducts<Lanes128>(g, x, count, gw, step, taps, c, channels); }
        AddProducts<Lane>(g, x, count, gw, step, taps, c, channels);
    }

    private static int AddProducts<TLanes>(Rows g, Rows x, int count, Rows gw, nint step, int taps, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            TLanes sum0 = TLanes.Broadcast(0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            if (taps == 4)
            {
                Products.AddFour(
                    ref sum0, ref sum1, ref sum2, ref sum3,
                    g.Origin + c, g.Pitch, x.Origin + c, x.Pitch, step, count);
                TLanes.Store(TLanes.Load(gw[3] + c) + sum3, gw[3] + c);
            }
            else if (taps == 3)
            {
                Products.AddThree(
                    ref sum0, ref sum1, ref sum2, g.Origin + c, g.Pitch, x.Origin + c, x.Pitch, step, count);
            }
            else
            {
                Products.Add(ref sum0, g.Origin + c, g.Pitch, x.Origin + c, x.Pitch, count);
            }

            if (taps > 1)
            {
                TLanes.Store(TLanes.Load(gw[1] + c) + sum1, gw[1] + c);
                TLanes.Store(TLanes.Load(gw[2] + c) + sum2, gw[2] + c);
            }

            TLanes.Store(TLanes.Load(gw[0] + c) + sum0, gw[0] + c);
        }

        return c;
    }

    /// <summary>Computes <c>sum += Σ_i g_i</c>.</summary>
    private static void AddRows(Rows g, int count, float* sum, int channels)
    {
        int c = 0;
        if (Width.Has512) { c = AddRows<Lanes512>(g, count, sum, c, channels); }
        if (Width.Has256) { c = AddRows<Lanes256>(g, count, sum, c, channels); }
        if (Width.Has128) { c = AddRows<Lanes128>(g, count, sum, c, channels); }
        AddRows<Lane>(g, count, sum, c, channels);
    }

    private static int AddRows<TLanes>(Rows g, int count, float* sum, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            TLanes total = TLanes.Broadcast(0f);
            for (int i = 0; i < count; i++)
            {
                total += TLanes.Load(g[i] + c);
            }

            TLanes.Store(TLanes.Load(sum + c) + total, sum + c);
        }

        return c;
    }
}
