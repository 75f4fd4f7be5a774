using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary><c>g_t = gy_t·silu'(bias + Σ_k w[k]·x_{t-left+k})</c>, the gradient of the weighted sum.</summary>
/// <param name="plane">Blocks and channels.</param>
/// <param name="arrays">The inputs, in blocks of four tokens.</param>
/// <param name="gy">The gradient of the output.</param>
/// <param name="g">Receives the gradient.</param>
internal readonly struct ConvolutionSlopeKernel(Plane plane, ConvolutionArrays arrays, GpuRows gy, GpuRows g) : IKernel
{
    public void Run()
    {
        ConvolutionPlace place = new(plane, arrays.Blocks);
        if (place.IsInside && place.Count > 0)
        {
            QuadOfTokens sums = arrays.Sums<WordsUpTo>(place.Sequence, place.Token, place.Channel);
            Write(place, 0, sums.T0);
            Write(place, 1, sums.T1);
            Write(place, 2, sums.T2);
            Write(place, 3, sums.T3);
        }
    }

    private void Write(in ConvolutionPlace place, int i, Quad sum)
    {
        if (i < place.Count)
        {
            long row = place.Start + place.Token + i;
            Quad gradient = gy.LoadQuad(row, place.Channel, arrays.Channels);
            g.StoreQuad(row, place.Channel, arrays.Channels, gradient * Quad.Derivative<Elementwise.Silu>(sum));
        }
    }
}

/// <summary>
/// <c>gx_t += Σ_k w[k]·g_{t+left-k}</c>, a convolution of g with reversed taps, plus the gradient of the final window,
/// which is a copy of the last inputs.
/// </summary>
/// <param name="plane">Blocks and channels.</param>
/// <param name="reversed">g as the input, with taps reversed, in blocks of four tokens.</param>
/// <param name="gfinal">The gradient of the final window; optional.</param>
/// <param name="gx">The gradient of x, added to.</param>
internal readonly struct ConvolutionInputKernel(
    Plane plane, ConvolutionArrays reversed, GpuRows gfinal, GpuRows gx) : IKernel
{
    public void Run()
    {
        ConvolutionPlace place = new(plane, reversed.Blocks);
        if (place.IsInside && place.Count > 0)
        {
            QuadOfTokens sums = reversed.Sums<WordsUpTo>(place.Sequence, place.Token, place.Channel);
            Write(place, 0, sums.T0);
            Write(place, 1, sums.T1);
            Write(place, 2, sums.T2);
            Write(place, 3, sums.T3);
        }
    }

    private void Write(in ConvolutionPlace place, int i, Quad sum)
    {
        if (i < place.Count)
        {
            int window = reversed.Taps - 1;
            int j = place.Token + i + window - reversed.Blocks.Sequences.Length(place.Sequence);
            if (gfinal.Exists && j >= 0)
            {
                sum += gfinal.LoadQuad(((long)place.Sequence * window) + j, place.Channel, reversed.Channels);
            }

            gx.AddQuad(place.Start + place.Token + i, place.Channel, reversed.Channels, sum);
        }
    }
}

/// <summary>
/// Row j of the gradient of a causal convolution's initial window: <c>Σ_k w[k]·g_{j-k}</c>, plus the gradient of the
/// final window's row that is a copy of row j.
/// </summary>
/// <param name="plane">The rows of all windows, and channels.</param>
/// <param name="arrays">g as the input.</param>
/// <param name="gfinal">The gradient of the final window; optional.</param>
/// <param name="gwindow">The gradient of the initial window, added to.</param>
internal readonly struct ConvolutionWindowKernel(
    Plane plane, ConvolutionArrays arrays, GpuRows gfinal, GpuRows gwindow) : IKernel
{
    public void Run()
    {
        long row = plane.Row, channel = plane.Column;
        if (!plane.Contains(row, channel))
        {
            return;
        }

        int sequence = (int)(row / arrays.Left), j = (int)(row % arrays.Left);
        Quad sum = default;
        for (int k = 0; k <= j; k++)
        {
            sum += arrays.Weight<WordsUpTo>(k, channel).Value * arrays.Input<WordsUpTo>(sequence, j - k, channel).Value;
        }

        int final = j - arrays.Blocks.Sequences.Length(sequence);
        if (gfinal.Exists && final >= 0)
        {
            sum += gfinal.LoadQuad(((long)sequence * arrays.Left) + final, channel, arrays.Channels);
        }

        gwindow.AddQuad(row, channel, arrays.Channels, sum);
    }
}

/// <summary>
/// <c>Σ_t g_t·x_{t-left+k}</c> and <c>Σ_t g_t</c> over the tokens of a block; a thread has four taps and four channels.
/// </summary>
/// <param name="plane">Rows (block, quad of taps), columns channels.</param>
/// <param name="arrays">The inputs, in blocks of tokens.</param>
/// <param name="steps">Quads of taps.</param>
/// <param name="g">The gradient of the weighted sums.</param>
/// <param name="weights">Receives the sums of the taps, rows (block, tap); optional.</param>
/// <param name="bias">Receives the sums of g, one row per block; optional.</param>
internal readonly struct ConvolutionWeightKernel(
    Plane plane, ConvolutionArrays arrays, int steps, GpuRows g, GpuRows weights, GpuRows bias) : IKernel
{
    public void Run()
    {
        long row = plane.Row, channel = plane.Column;
        if (!plane.Contains(row, channel))
        {
            return;
        }

        int block = (int)(row / steps), tap = 4 * (int)(row % steps);
        int sequence = arrays.Blocks.SequenceOf(block), first = arrays.Blocks.TokenOf(block, sequence);
        int length = arrays.Blocks.Sequences.Length(sequence);
        int end = first + arrays.Blocks.Length < length ? first + arrays.Blocks.Length : length;
        long start = arrays.Blocks.Sequences.Start(sequence);
        Quad w0 = default, w1 = default, w2 = default, w3 = default, sum = default;
        int at = tap - arrays.Left;
        Quad x0 = arrays.Input<WordsUpTo>(sequence, first + at, channel).Value;
        Quad x1 = arrays.Input<WordsUpTo>(sequence, first + at + 1, channel).Value;
        Quad x2 = arrays.Input<WordsUpTo>(sequence, first + at + 2, channel).Value;
        for (int t = first; t < end; t++)
        {
            Quad gt = g.LoadQuad(start + t, channel, arrays.Channels);
            Quad x3 = arrays.Input<WordsUpTo>(sequence, t + at + 3, channel).Value;
            w0 += gt * x0;
            w1 += gt * x1;
            w2 += gt * x2;
            w3 += gt * x3;
            sum += gt;
            x0 = x1;
            x1 = x2;
            x2 = x3;
        }

        Store(block, tap, channel, w0);
        Store(block, tap + 1, channel, w1);
        Store(block, tap + 2, channel, w2);
        Store(block, tap + 3, channel, w3);
        if (tap == 0 && bias.Exists)
        {
            bias.StoreQuad(block, channel, arrays.Channels, sum);
        }
    }

    private void Store(int block, int tap, long channel, Quad value)
    {
        if (tap < arrays.Taps && weights.Exists)
        {
            weights.StoreQuad(((long)block * arrays.Taps) + tap, channel, arrays.Channels, value);
        }
    }
}
