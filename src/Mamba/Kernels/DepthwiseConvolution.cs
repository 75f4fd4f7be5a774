using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Depthwise convolution of one sequence: every channel has its own filter,
/// <c>y_t = f(bias + Σ_k w[k]·x_{t-left+k})</c>. Causal if left = K - 1.
/// </summary>
/// <remarks>
/// The <c>left</c> rows before the first token are the window, or zeros; the rows after the last token are zeros.
/// Lanes hold channels and every sum runs over k in order, so an element does not depend on where a sequence is
/// split.
/// </remarks>
internal static unsafe partial class DepthwiseConvolution
{
    /// <summary>The function applied to each weighted sum.</summary>
    private interface IOutput
    {
        static abstract TLanes Apply<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes>;
    }

    /// <summary>
    /// Computes y for <paramref name="count"/> tokens from <paramref name="t"/> on; row 0 of y is token t.
    /// </summary>
    public static void Forward<TActivation>(Filter filter, SequenceRows x, int t, int count, Rows y)
        where TActivation : struct, IMap =>
        Run<Activated<TActivation>>(filter, x, t, count, default, y, 0, filter.Channels);

    /// <summary>
    /// Writes the last K - 1 inputs. If the sequence is shorter, the first of them come from the window.
    /// </summary>
    /// <remarks>Copies in ascending order, so <paramref name="final"/> may be the window itself.</remarks>
    public static void SlideWindow(Filter filter, SequenceRows x, Rows final, TokenOrder order)
    {
        for (int j = 0; j < filter.Width - 1; j++)
        {
            (Rows source, nint row) = x.FromWindowOn(j + x.Length, filter.Width - 1, order);
            Span<float> target = new(final[j], filter.Channels);
            if (source.IsNull)
            {
                target.Clear();
            }
            else
            {
                new ReadOnlySpan<float>(source[row], filter.Channels).CopyTo(target);
            }
        }
    }

    /// <summary>Computes rows 0, … of y from tokens <paramref name="t"/>, … of x.</summary>
    private static void Run<TOutput>(
        Filter filter, SequenceRows x, int t, int count, Rows gy, Rows y, int channel, int end)
        where TOutput : struct, IOutput
    {
        for (int i = 0; i < count;)
        {
            (int first, int last) = TapsInside(filter, x.Length, t + i);
            bool four = i + 4 <= count && first == 0 && t + i + 3 - filter.Left + filter.Width <= x.Length;
            int c = channel;
            if (four)
            {
                if (Width.Has512) { c = FourTokens<TOutput, Lanes512>(filter, x.Tokens, t + i, gy, y, i, c, end); }
                if (Width.Has256) { c = FourTokens<TOutput, Lanes256>(filter, x.Tokens, t + i, gy, y, i, c, end); }
                if (Width.Has128) { c = FourTokens<TOutput, Lanes128>(filter, x.Tokens, t + i, gy, y, i, c, end); }
                FourTokens<TOutput, Lane>(filter, x.Tokens, t + i, gy, y, i, c, end);
                i += 4;
            }
            else
            {
                float* g = gy.IsNull ? null : gy[i];
                if (Width.Has512) { c = Token<TOutput, Lanes512>(filter, x, t + i, first, last, g, y[i], c, end); }
                if (Width.Has256) { c = Token<TOutput, Lanes256>(filter, x, t + i, first, last, g, y[i], c, end); }
                if (Width.Has128) { c = Token<TOutput, Lanes128>(filter, x, t + i, first, last, g, y[i], c, end); }
                Token<TOutput, Lane>(filter, x, t + i, first, last, g, y[i], c, end);
                i++;
            }
        }
    }

    /// <summary>The taps that read tokens. Earlier taps read the window, later ones zeros.</summary>
    private static (int First, int Last) TapsInside(Filter filter, int length, int t) =>
        (Math.Max(filter.Left - t, 0), Math.Min(filter.Width, filter.Left - t + length));

    private static int Token<TOutput, TLanes>(
        Filter filter, SequenceRows x, int t, int first, int last, float* gy, float* y, int c, int end)
        where TOutput : struct, IOutput
        where TLanes : struct, ILanes<TLanes>
    {
        Rows window = x.Window, tokens = x.Tokens;
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            TLanes sum = Bias<TLanes>(filter, c);
            if (first > 0 && !window.IsNull)
            {
                Products.Add(ref sum, filter[0] + c, filter.Channels, window[t] + c, window.Pitch, first);
            }

            float* source = tokens[t - filter.Left + first] + c;
            Products.Add(ref sum, filter[first] + c, filter.Channels, source, tokens.Pitch, last - first);
            TLanes.Store(TOutput.Apply(sum, gy + c), y + c);
        }

        return c;
    }

    private static int FourTokens<TOutput, TLanes>(
        Filter filter, Rows tokens, int t, Rows gy, Rows y, int i, int c, int end)
        where TOutput : struct, IOutput
        where TLanes : struct, ILanes<TLanes>
    {
        float* source = tokens[t - filter.Left], g = gy.IsNull ? null : gy[i], target = y[i];
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            TLanes sum0 = Bias<TLanes>(filter, c), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            Products.AddFour(
                ref sum0, ref sum1, ref sum2, ref sum3,
                filter[0] + c, filter.Channels, source + c, tokens.Pitch, tokens.Pitch, filter.Width);
            TLanes.Store(TOutput.Apply(sum0, g + c), target + c);
            TLanes.Store(TOutput.Apply(sum1, g + gy.Pitch + c), target + y.Pitch + c);
            TLanes.Store(TOutput.Apply(sum2, g + (2 * gy.Pitch) + c), target + (2 * y.Pitch) + c);
            TLanes.Store(TOutput.Apply(sum3, g + (3 * gy.Pitch) + c), target + (3 * y.Pitch) + c);
        }

        return c;
    }

    private static TLanes Bias<TLanes>(Filter filter, int c)
        where TLanes : struct, ILanes<TLanes> =>
        filter.Bias == null ? TLanes.Broadcast(0f) : TLanes.Load(filter.Bias + c);

    /// <summary><c>f(sum)</c></summary>
    private readonly struct Activated<TActivation> : IOutput
        where TActivation : struct, IMap
    {
        public static TLanes Apply<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes> => TActivation.Apply(sum);
    }

    /// <summary><c>gy·f'(sum)</c></summary>
    private readonly struct ThroughActivation<TActivation> : IOutput
        where TActivation : struct, IMap
    {
        public static TLanes Apply<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(gy) * TActivation.Derivative(sum);
    }
}
