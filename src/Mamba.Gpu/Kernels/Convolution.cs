using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>What a convolution is computed from: <c>Σ_k w[k]·x_{t-left+k}</c> over channels and sequences.</summary>
/// <param name="blocks">Tokens that a thread takes one after the other.</param>
/// <param name="x">The input.</param>
/// <param name="window">The inputs before every sequence's first token, oldest first; optional.</param>
/// <param name="weight">A row for each tap.</param>
/// <param name="bias">The bias; optional.</param>
/// <param name="taps">K.</param>
/// <param name="left">Taps that look back.</param>
/// <param name="channels">Number of channels.</param>
/// <param name="isReversed">1 where the taps are counted from the last, else 0.</param>
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

    public Quad Weight(int tap, long channel) =>
        weight.LoadQuad(isReversed != 0 ? Taps - 1 - tap : tap, channel, Channels);

    public Quad Bias(long channel) => bias.Exists ? bias.LoadQuad(0, channel, Channels) : default;

    /// <summary>Input t of a sequence; before its start the window or zeros, after its end zeros.</summary>
    public Quad Input(int sequence, int t, long channel)
    {
        if (t < 0)
        {
            return window.Exists && t >= -Left
                ? window.LoadQuad(((long)sequence * Left) + Left + t, channel, Channels)
                : default;
        }

        return t < Blocks.Sequences.Length(sequence)
            ? x.LoadQuad((long)Blocks.Sequences.Start(sequence) + t, channel, Channels)
            : default;
    }

    /// <summary>The weighted sums of four tokens from t on, with the bias: each input is read once.</summary>
    public QuadOfTokens Sums(int sequence, int t, long channel)
    {
        Quad bias = Bias(channel), x0 = Input(sequence, t - Left, channel);
        Quad x1 = Input(sequence, t - Left + 1, channel), x2 = Input(sequence, t - Left + 2, channel);
        QuadOfTokens sums = new() { T0 = bias, T1 = bias, T2 = bias, T3 = bias };
        for (int k = 0; k < Taps; k++)
        {
            Quad w = Weight(k, channel), x3 = Input(sequence, t - Left + k + 3, channel);
            sums.T0 += w * x0;
            sums.T1 += w * x1;
            sums.T2 += w * x2;
            sums.T3 += w * x3;
            x0 = x1;
            x1 = x2;
            x2 = x3;
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
}

/// <summary>A thread's place in a convolution: four channels of a block of tokens.</summary>
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

    /// <summary>The block's first token, counted in its sequence.</summary>
    public int Token { get; }

    /// <summary>The sequence's first token.</summary>
    public long Start { get; }

    /// <summary>Tokens of the block; none where it is 0 or less.</summary>
    public int Count { get; }
}

/// <summary><c>y_t = f(bias + Σ_k w[k]·x_{t-left+k})</c>, and the window where one thread has a whole sequence.</summary>
/// <param name="plane">Blocks and channels.</param>
/// <param name="arrays">The inputs, in blocks of four tokens.</param>
/// <param name="silu">Whether f is SiLU.</param>
/// <param name="y">The output.</param>
/// <param name="slide">What moves the window on; without an array where that is left for later.</param>
internal readonly struct ConvolutionKernel(
    Plane plane, ConvolutionArrays arrays, int silu, GpuRows y, WindowSlide slide) : IKernel
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
            QuadOfTokens sums = arrays.Sums(place.Sequence, place.Token, place.Channel);
            Write(place, 0, sums.T0);
            Write(place, 1, sums.T1);
            Write(place, 2, sums.T2);
            Write(place, 3, sums.T3);
        }

        slide.Run(arrays, place.Sequence, place.Channel);
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

/// <summary>Copies a sequence's last inputs to its window, upwards: it may be the window that is read.</summary>
internal readonly struct WindowSlide(GpuRows final)
{
    public void Run(in ConvolutionArrays arrays, int sequence, long channel)
    {
        int length = arrays.Blocks.Sequences.Length(sequence);
        for (int j = 0; j < arrays.Left && final.Exists; j++)
        {
            Quad value = arrays.Input(sequence, length - arrays.Left + j, channel);
            final.StoreQuad(((long)sequence * arrays.Left) + j, channel, arrays.Channels, value);
        }
    }
}

/// <summary>Moves the windows of all sequences on; a row of the plane is a sequence.</summary>
internal readonly struct WindowKernel(Plane plane, ConvolutionArrays arrays, WindowSlide slide) : IKernel
{
    public void Run()
    {
        long sequence = plane.Row, channel = plane.Column;
        if (plane.Contains(sequence, channel))
        {
            slide.Run(arrays, (int)sequence, channel);
        }
    }
}
