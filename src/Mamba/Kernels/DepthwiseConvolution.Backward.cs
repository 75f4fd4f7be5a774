using Mamba.Simd;

namespace Mamba.Kernels;

internal static unsafe partial class DepthwiseConvolution
{
    /// <summary>Tokens of a chunk of the backward pass, few enough for L1.</summary>
    private const int ChunkLength = 32;

    /// <summary>Floats of g that leave room in L1 for the other rows.</summary>
    private const int CachedLength = 4608;

    /// <summary>
    /// Floats of scratch memory for <see cref="Backward"/>: g of a chunk and its neighbours.
    /// </summary>
    public static int ScratchLength(Filter filter) => (ChunkLength + filter.Width - 1) * ChannelsAtOnce(filter);

    /// <summary>
    /// Computes the gradients of <paramref name="count"/> tokens from <paramref name="t"/> on. Adds to the gradients
    /// of the tokens, for the first tokens also to the window's. Adds the gradients of w[0] … w[K-1] and of the bias
    /// to the K + 1 rows of <paramref name="sums"/>. Skips gradients that are null.
    /// </summary>
    /// <remarks>
    /// With <c>g_t = gy_t·f'(…)</c>, zero outside the sequence: <c>gx_t = Σ_k w[k]·g_{t+left-k}</c>, which is another
    /// convolution, and <c>gw[k] = Σ_t g_t·x_{t-left+k}</c>. The forward pass does not keep the input of f. So g is
    /// computed here, twice for the few tokens of the next chunk that a chunk needs. Sums are taken chunk by chunk, to
    /// keep rounding errors small.
    /// </remarks>
    public static void Backward<TActivation>(
        Filter filter, SequenceRows x, int t, int count, Rows gy, SequenceRows gx, Rows sums, float* scratch)
        where TActivation : struct, IMap
    {
        int block = ChannelsAtOnce(filter);
        for (int end = t + count; t < end; t += ChunkLength)
        {
            for (int channel = 0; channel < filter.Channels; channel += block)
            {
                Rows g = new(scratch - channel, block);
                int stop = Math.Min(channel + block, filter.Channels);
                ChunkBackward<TActivation>(
                    filter, x, t, Math.Min(ChunkLength, end - t), gy, gx, sums, g, channel, stop);
            }
        }
    }

    /// <summary>Adds the gradient of the final window to the gradients of the rows it was copied from.</summary>
    public static void SlideWindowBackward(Filter filter, Rows gfinal, SequenceRows gx, TokenOrder order)
    {
        for (int j = 0; j < filter.Width - 1; j++)
        {
            (Rows target, nint row) = gx.FromWindowOn(j + gx.Length, filter.Width - 1, order);
            if (!target.IsNull)
            {
                Elementwise.AddScaled(gfinal[j], 1f, target[row], filter.Channels);
            }
        }
    }

    private static int ChannelsAtOnce(Filter filter)
    {
        int fitting = CachedLength / (ChunkLength + filter.Width - 1) / Lanes512.Count * Lanes512.Count;
        return Math.Min(filter.Channels, Math.Max(Lanes512.Count, fitting));
    }

    private static void ChunkBackward<TActivation>(
        Filter filter, SequenceRows x, int t, int count, Rows gy, SequenceRows gx, Rows sums, Rows g, int c, int end)
        where TActivation : struct, IMap
    {
        // Row 0 of g belongs to the first token that reads token t.
        int right = filter.Width - 1 - filter.Left, oldest = t - right, rows = count + filter.Width - 1;
        int first = Math.Max(0, -oldest), last = Math.Clamp(x.Length - oldest, first, rows);
        Clear(g, first, c, end);
        Run<ThroughActivation<TActivation>>(
            filter, x, oldest + first, last - first, gy.At(oldest + first, 0), g.At(first, 0), c, end);
        Clear(g.At(last, 0), rows - last, c, end);
        if (Width.Has512) { c = ChunkBackward<Lanes512>(filter, x, t, count, gx, sums, g, c, end); }
        if (Width.Has256) { c = ChunkBackward<Lanes256>(filter, x, t, count, gx, sums, g, c, end); }
        if (Width.Has128) { c = ChunkBackward<Lanes128>(filter, x, t, count, gx, sums, g, c, end); }
        ChunkBackward<Lane>(filter, x, t, count, gx, sums, g, c, end);
    }

    private static int ChunkBackward<TLanes>(
        Filter filter, SequenceRows x, int t, int count, SequenceRows gx, Rows sums, Rows g, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        end = c + ((end - c) / TLanes.Count * TLanes.Count);
        Rows newest = g.At(filter.Width - 1, 0), own = g.At(filter.Width - 1 - filter.Left, 0);
        for (int j = 0; j < filter.Left && t == 0; j++)
        {
            ToInput<TLanes>(filter, own.At(j, 0), j + 1, gx.Window.At(j, 0), c, end);
        }

        int i = 0;
        for (; i + 4 <= count; i += 4)
        {
            ToFourInputs<TLanes>(filter, newest.At(i, 0), gx.Tokens.At(t + i, 0), c, end);
        }

        for (; i < count; i++)
        {
            ToInput<TLanes>(filter, newest.At(i, 0), filter.Width, gx.Tokens.At(t + i, 0), c, end);
        }

        if (!sums.IsNull)
        {
            ToWeights<TLanes>(filter, x, t, count, own, sums, c, end);
            ToBias<TLanes>(own, count, sums[filter.Width], c, end);
        }

        return end;
    }

    /// <summary>Computes <c>gx += Σ_k w[k]·g_{-k}</c> over the first taps.</summary>
    private static void ToInput<TLanes>(Filter filter, Rows g, int taps, Rows gx, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c < end && !gx.IsNull; c += TLanes.Count)
        {
            TLanes sum = TLanes.Load(gx.Origin + c);
            Products.Add(ref sum, filter[0] + c, filter.Channels, g.Origin + c, -g.Pitch, taps);
            TLanes.Store(sum, gx.Origin + c);
        }
    }

    private static void ToFourInputs<TLanes>(Filter filter, Rows g, Rows gx, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c < end && !gx.IsNull; c += TLanes.Count)
        {
            TLanes sum0 = TLanes.Load(gx[0] + c), sum1 = TLanes.Load(gx[1] + c);
            TLanes sum2 = TLanes.Load(gx[2] + c), sum3 = TLanes.Load(gx[3] + c);
            Products.AddFour(
                ref sum0, ref sum1, ref sum2, ref sum3,
                filter[0] + c, filter.Channels, g.Origin + c, -g.Pitch, g.Pitch, filter.Width);
            TLanes.Store(sum0, gx[0] + c);
            TLanes.Store(sum1, gx[1] + c);
            TLanes.Store(sum2, gx[2] + c);
            TLanes.Store(sum3, gx[3] + c);
        }
    }

    /// <summary>Computes <c>gw[k] += Σ_t g_t·x_{t-left+k}</c> for every k.</summary>
    private static void ToWeights<TLanes>(
        Filter filter, SequenceRows x, int t, int count, Rows g, Rows gw, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (int k = 0; k < filter.Width;)
        {
            int row = t - filter.Left + k;
            if (k + 4 <= filter.Width && row >= 0 && row + 3 + count <= x.Length)
            {
                ToFourWeights<TLanes>(g, x.Tokens.At(row, 0), count, gw.At(k, 0), c, end);
                k += 4;
            }
            else
            {
                // Tap k of the first tokens reads the window; of the last tokens, zeros.
                int first = Math.Clamp(-row, 0, count), last = Math.Clamp(x.Length - row, first, count);
                ToWeight<TLanes>(g, x.Window.At(t + k, 0), first, gw[k], c, end);
                ToWeight<TLanes>(g.At(first, 0), x.Tokens.At(row + first, 0), last - first, gw[k], c, end);
                k++;
            }
        }
    }

    /// <summary>Computes <c>gw += Σ_i g_i·x_i</c>.</summary>
    private static void ToWeight<TLanes>(Rows g, Rows x, int count, float* gw, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c < end && count > 0 && !x.IsNull; c += TLanes.Count)
        {
            TLanes sum = TLanes.Broadcast(0f);
            Products.Add(ref sum, g.Origin + c, g.Pitch, x.Origin + c, x.Pitch, count);
            TLanes.Store(TLanes.Load(gw + c) + sum, gw + c);
        }
    }

    private static void ToFourWeights<TLanes>(Rows g, Rows x, int count, Rows gw, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c < end; c += TLanes.Count)
        {
            TLanes sum0 = TLanes.Broadcast(0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            Products.AddFour(
                ref sum0, ref sum1, ref sum2, ref sum3,
                g.Origin + c, g.Pitch, x.Origin + c, x.Pitch, x.Pitch, count);
            TLanes.Store(TLanes.Load(gw[0] + c) + sum0, gw[0] + c);
            TLanes.Store(TLanes.Load(gw[1] + c) + sum1, gw[1] + c);
            TLanes.Store(TLanes.Load(gw[2] + c) + sum2, gw[2] + c);
            TLanes.Store(TLanes.Load(gw[3] + c) + sum3, gw[3] + c);
        }
    }

    /// <summary>Computes <c>gbias += Σ_i g_i</c>.</summary>
    private static void ToBias<TLanes>(Rows g, int count, float* gbias, int c, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        for (; c < end; c += TLanes.Count)
        {
            TLanes sum = TLanes.Broadcast(0f);
            for (int i = 0; i < count; i++)
            {
                sum += TLanes.Load(g[i] + c);
            }

            TLanes.Store(TLanes.Load(gbias + c) + sum, gbias + c);
        }
    }

    private static void Clear(Rows rows, int count, int channel, int end)
    {
        for (int row = 0; row < count; row++)
        {
            new Span<float>(rows[row] + channel, end - channel).Clear();
        }
    }
}
