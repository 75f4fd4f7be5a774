using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>The inputs of a convolution, <c>Σ_k w[k]·x_{t-left+k}</c> over channels and sequences.</summary>
/// <param name="blocks">Blocks of tokens; each is computed by one thread.</param>
/// <param name="x">The input.</param>
/// <param name="window">The inputs before every sequence's first token, oldest first; optional.</param>
/// <param name="weight">One row per tap.</param>
/// <param name="bias">The bias; optional.</param>
/// <param name="taps">K.</param>
/// <param name="left">Number of taps that look back.</param>
/// <param name="channels">Number of channels.</param>
/// <param name="isReversed">1 if the taps are in reverse order, else 0.</param>
internal readonly struct ConvolutionArrays(
    SequenceBlocks blocks,
    GpuRows x,
    GpuRows window,
    GpuRows weight,
    GpuRows bias,
    int taps,
    int left,
    int channels,
    int isReversed)
{
    public SequenceBlocks Blocks { get; } = blocks;

    public int Taps { get; } = taps;

    public int Left { get; } = left;

    public int Channels { get; } = channels;

    /// <summary>Whether every load of four channels is aligned and inside its row.</summary>
    public bool AreWhole => x.AreAligned && weight.AreAligned && Channels % 4 == 0
        && (bias.AreAligned || !bias.Exists) && (window.AreAligned || !window.Exists);

    /// <summary>A tap's weights; zeros past the last tap.</summary>
    public QuadWords Weight<TWords>(int tap, long channel)
        where TWords : struct, IRowWords
    {
        QuadWords words = default;
        if (tap < Taps)
        {
            words = TWords.Load(weight, isReversed != 0 ? Taps - 1 - tap : tap, (int)channel, Channels);
        }

        return words;
    }

    public Quad Bias<TWords>(long channel)
        where TWords : struct, IRowWords =>
        bias.Exists ? TWords.Load(bias, 0, (int)channel, Channels).Value : default;

    /// <summary>Input t of a sequence: from the window, or zero, before its start; zero after its end.</summary>
    public QuadWords Input<TWords>(int sequence, int t, long channel)
        where TWords : struct, IRowWords
    {
        QuadWords words = default;
        if (t >= 0 && t < Blocks.Sequences.Length(sequence))
        {
            words = TWords.Load(x, Blocks.Sequences.Start(sequence) + t, (int)channel, Channels);
        }
        else if (t < 0 && t >= -Left && window.Exists)
        {
            int row = (Blocks.Sequences.Slot(sequence) * Left) + Left + t;
            words = TWords.Load(window, row, (int)channel, Channels);
        }

        return words;
    }

    /// <summary>The weighted sums of tokens t to t + 3, with the bias. Each input is loaded once.</summary>
    public QuadOfTokens Sums<TWords>(int sequence, int t, long channel)
        where TWords : struct, IRowWords
    {
        int first = t - Left;
        Quad bias = Bias<TWords>(channel);
        QuadWords before0 = Input<TWords>(sequence, first, channel);
        QuadWords before1 = Input<TWords>(sequence, first + 1, channel);
        QuadWords before2 = Input<TWords>(sequence, first + 2, channel);
        QuadOfTokens sums = new() { T0 = bias, T1 = bias, T2 = bias, T3 = bias };
        Quad x0 = default, x1 = default, x2 = default;
        for (int k = 0; k < Taps; k += 4)
        {
            // Four taps are in flight at once.
            QuadWords w0 = Weight<TWords>(k, channel), w1 = Weight<TWords>(k + 1, channel);
            QuadWords w2 = Weight<TWords>(k + 2, channel), w3 = Weight<TWords>(k + 3, channel);
            QuadWords i0 = Input<TWords>(sequence, first + k + 3, channel);
            QuadWords i1 = Input<TWords>(sequence, first + k + 4, channel);
            QuadWords i2 = Input<TWords>(sequence, first + k + 5, channel);
            QuadWords i3 = Input<TWords>(sequence, first + k + 6, channel);
            if (k == 0)
            {
                (x0, x1, x2) = (before0.Value, before1.Value, before2.Value);
            }

            Quad x3 = i0.Value, x4 = i1.Value, x5 = i2.Value, x6 = i3.Value;
            sums.Add(w0.Value, x0, x1, x2, x3);
            sums.AddIf(k + 1 < Taps, w1.Value, x1, x2, x3, x4);
            sums.AddIf(k + 2 < Taps, w2.Value, x2, x3, x4, x5);
            sums.AddIf(k + 3 < Taps, w3.Value, x3, x4, x5, x6);
            (x0, x1, x2) = (x4, x5, x6);
        }

        return sums;
    }
}

/// <summary>Four channels of four tokens.</summary>
internal struct QuadOfTokens
{
    public const int Length = 4;

    public Quad T0;
    public Quad T1;
    public Quad T2;
    public Quad T3;

    /// <summary>Adds the products of a tap with the inputs of the four tokens.</summary>
    public void Add(Quad weight, Quad x0, Quad x1, Quad x2, Quad x3)
    {
        T0 += weight * x0;
        T1 += weight * x1;
        T2 += weight * x2;
        T3 += weight * x3;
    }

    /// <summary>The same, if the tap exists: a weight of zero would not do, because NaN·0 is NaN.</summary>
    public void AddIf(bool isTap, Quad weight, Quad x0, Quad x1, Quad x2, Quad x3)
    {
        if (isTap)
        {
            Add(weight, x0, x1, x2, x3);
        }
    }
}

/// <summary>A thread's position in a convolution: four channels of a block of tokens.</summary>
internal readonly struct ConvolutionPlace
{
    public ConvolutionPlace(Plane plane, in SequenceBlocks blocks)
    {
        Channel = plane.Column;
        IsInside = plane.Contains(plane.Row, plane.Column);
        int block = IsInside ? (int)plane.Row : 0;
        Sequence = blocks.SequenceOf(block);
        Token = blocks.TokenOf(block, Sequence);
        Start = blocks.Sequences.Start(Sequence);
        int left = blocks.Sequences.Length(Sequence) - Token;
        Count = left < blocks.Length ? left : blocks.Length;
    }

    public long Channel { get; }

    public bool IsInside { get; }

    public int Sequence { get; }

    /// <summary>The block's first token, relative to its sequence.</summary>
    public int Token { get; }

    /// <summary>The sequence's first token, in the whole batch.</summary>
    public long Start { get; }

    /// <summary>Tokens of the block; 0 or less if it is empty.</summary>
    public int Count { get; }
}

/// <summary>
/// <c>y_t = f(bias + Σ_k w[k]·x_{t-left+k})</c>, and the final window if one thread computes a whole sequence.
/// </summary>
/// <param name="plane">Blocks and channels.</param>
/// <param name="arrays">The inputs, in blocks of four tokens.</param>
/// <param name="silu">1 if f is SiLU, 0 if it is the identity.</param>
/// <param name="y">The output.</param>
/// <param name="slide">Updates the window; <c>default</c> if a later launch does it.</param>
internal readonly struct ConvolutionKernel<TWords>(
    Plane plane, ConvolutionArrays arrays, int silu, GpuRows y, WindowSlide slide) : IKernel
    where TWords : struct, IRowWords
{
    public void Run()
    {
        ConvolutionPlace place = new(plane, arrays.Blocks);
        if (!place.IsInside)
        {
            return;
        }

        if (place.Count > 0)
        {
            QuadOfTokens sums = arrays.Sums<TWords>(place.Sequence, place.Token, place.Channel);
            Write(place, 0, sums.T0);
            Write(place, 1, sums.T1);
            Write(place, 2, sums.T2);
            Write(place, 3, sums.T3);
        }

        slide.Run<TWords>(arrays, place.Sequence, place.Channel);
    }

    private void Write(in ConvolutionPlace place, int i, Quad sum)
    {
        if (i < place.Count)
        {
            Quad value = silu != 0 ? Quad.Map<Elementwise.Silu>(sum) : sum;
            y.StoreQuad(place.Start + place.Token + i, place.Channel, arrays.Channels, value);
        }
    }
}

/// <summary>Copies a sequence's last inputs to its window, in ascending order: it may read the same window.</summary>
internal readonly struct WindowSlide(GpuRows final)
{
    public void Run<TWords>(in ConvolutionArrays arrays, int sequence, long channel)
        where TWords : struct, IRowWords
    {
        int first = arrays.Blocks.Sequences.Length(sequence) - arrays.Left;
        for (int j = 0; j < arrays.Left && final.Exists; j += 4)
        {
            // Four loads are in flight before the first store.
            QuadWords w0 = arrays.Input<TWords>(sequence, first + j, channel);
            QuadWords w1 = arrays.Input<TWords>(sequence, first + j + 1, channel);
            QuadWords w2 = arrays.Input<TWords>(sequence, first + j + 2, channel);
            QuadWords w3 = arrays.Input<TWords>(sequence, first + j + 3, channel);
            Store(arrays, sequence, j, channel, w0);
            Store(arrays, sequence, j + 1, channel, w1);
            Store(arrays, sequence, j + 2, channel, w2);
            Store(arrays, sequence, j + 3, channel, w3);
        }
    }

    private void Store(in ConvolutionArrays arrays, int sequence, int j, long channel, QuadWords words)
    {
        if (j < arrays.Left)
        {
            long row = ((long)arrays.Blocks.Sequences.Slot(sequence) * arrays.Left) + j;
            final.StoreQuad(row, channel, arrays.Channels, words.Value);
        }
    }
}

/// <summary>Updates the windows of all sequences; a row of the plane is a sequence.</summary>
internal readonly struct WindowKernel(Plane plane, ConvolutionArrays arrays, WindowSlide slide) : IKernel
{
    public void Run()
    {
        long sequence = plane.Row, channel = plane.Column;
        if (plane.Contains(sequence, channel))
        {
            slide.Run<WordsUpTo>(arrays, (int)sequence, channel);
        }
    }
}
