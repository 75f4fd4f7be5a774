using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>The inputs of a depthwise convolution of images.</summary>
/// <param name="x">The pixels.</param>
/// <param name="weight">A row for each tap, [taps down, taps across].</param>
/// <param name="bias">The bias; optional.</param>
/// <param name="size">Height and width of the input.</param>
/// <param name="output">Height and width of the output.</param>
/// <param name="taps">Taps down and across.</param>
/// <param name="before">Rows of padding above, and pixels of padding to the left.</param>
/// <param name="stride">Pixels from one output to the next.</param>
/// <param name="dilation">Pixels from one tap to the next.</param>
/// <param name="channels">Number of channels.</param>
internal readonly struct ImageArrays(
    GpuRows x,
    GpuRows weight,
    GpuRows bias,
    (int Down, int Across) size,
    (int Down, int Across) output,
    (int Down, int Across) taps,
    (int Down, int Across) before,
    int stride,
    int dilation,
    int channels)
{
    public int Channels { get; } = channels;

    /// <summary>Number of taps.</summary>
    public int Taps => taps.Down * taps.Across;

    /// <summary>The weighted sum of an output, with the bias. Outputs are counted through the batch.</summary>
    public Quad Sum(long place, long channel)
    {
        (long image, int i, int j) = PlaceOf(place, output);
        Quad sum = default;
        if (bias.Exists)
        {
            sum = bias.LoadQuad(0, channel, Channels);
        }

        int first = (j * stride) - before.Across;
        for (int a = 0; a < taps.Down; a++)
        {
            int row = (i * stride) - before.Down + (a * dilation);
            if (row >= 0 && row < size.Down)
            {
                long start = ((image * size.Down) + row) * size.Across;
                for (int b = 0; b < taps.Across; b++)
                {
                    int column = first + (b * dilation);
                    if (column >= 0 && column < size.Across)
                    {
                        sum += weight.LoadQuad((a * taps.Across) + b, channel, Channels)
                            * x.LoadQuad(start + column, channel, Channels);
                    }
                }
            }
        }

        return sum;
    }

    /// <summary>The gradient of a pixel from those of the outputs, g. Pixels are counted through the batch.</summary>
    public Quad SumBack(GpuRows g, long pixel, long channel)
    {
        (long image, int i, int j) = PlaceOf(pixel, size);
        Quad sum = default;
        for (int a = 0; a < taps.Down; a++)
        {
            int down = i + before.Down - (a * dilation), row = down / stride;
            if (down >= 0 && row * stride == down && row < output.Down)
            {
                long start = ((image * output.Down) + row) * output.Across;
                for (int b = 0; b < taps.Across; b++)
                {
                    int across = j + before.Across - (b * dilation), column = across / stride;
                    if (across >= 0 && column * stride == across && column < output.Across)
                    {
                        sum += weight.LoadQuad((a * taps.Across) + b, channel, Channels)
                            * g.LoadQuad(start + column, channel, Channels);
                    }
                }
            }
        }

        return sum;
    }

    /// <summary>The pixel that an output reads at a tap; zeros outside the image.</summary>
    public Quad Input(long place, int tap, long channel)
    {
        (long image, int i, int j) = PlaceOf(place, output);
        int a = tap / taps.Across, b = tap - (a * taps.Across);
        int row = (i * stride) - before.Down + (a * dilation), column = (j * stride) - before.Across + (b * dilation);
        Quad value = default;
        if (row >= 0 && row < size.Down && column >= 0 && column < size.Across)
        {
            value = x.LoadQuad((((image * size.Down) + row) * size.Across) + column, channel, Channels);
        }

        return value;
    }

    private static (long Image, int Row, int Column) PlaceOf(long place, (int Down, int Across) size)
    {
        long line = place / size.Across, image = line / size.Down;
        return (image, (int)(line - (image * size.Down)), (int)(place - (line * size.Across)));
    }
}

/// <summary><c>y = f(bias + Σ w·x)</c>; a row of the plane is an output pixel.</summary>
internal readonly struct DepthwiseConvolution2dKernel(Plane plane, ImageArrays arrays, int silu, GpuRows y) : IKernel
{
    public void Run()
    {
        long place = plane.Row, channel = plane.Column;
        if (plane.Contains(place, channel))
        {
            Quad sum = arrays.Sum(place, channel);
            y.StoreQuad(place, channel, plane.Width, silu != 0 ? Quad.Map<Elementwise.Silu>(sum) : sum);
        }
    }
}

/// <summary><c>g = gy·silu'(bias + Σ w·x)</c></summary>
internal readonly struct DepthwiseSlope2dKernel(Plane plane, ImageArrays arrays, GpuRows gy, GpuRows g) : IKernel
{
    public void Run()
    {
        long place = plane.Row, channel = plane.Column;
        if (plane.Contains(place, channel))
        {
            Quad slope = Quad.Derivative<Elementwise.Silu>(arrays.Sum(place, channel));
            g.StoreQuad(place, channel, plane.Width, gy.LoadQuad(place, channel, plane.Width) * slope);
        }
    }
}

/// <summary><c>gx += Σ w·g</c>; a row of the plane is an input pixel.</summary>
internal readonly struct DepthwiseInput2dKernel(Plane plane, ImageArrays arrays, GpuRows g, GpuRows gx) : IKernel
{
    public void Run()
    {
        long pixel = plane.Row, channel = plane.Column;
        if (plane.Contains(pixel, channel))
        {
            gx.AddQuad(pixel, channel, plane.Width, arrays.SumBack(g, pixel, channel));
        }
    }
}

/// <summary><c>Σ g·x</c> over the outputs of a block, for each tap.</summary>
/// <param name="plane">Blocks, for every tap, and channels.</param>
/// <param name="arrays">The inputs.</param>
/// <param name="places">Number of outputs.</param>
/// <param name="length">Outputs of a block.</param>
/// <param name="g">The gradient of the weighted sums.</param>
/// <param name="sums">For each block, a row for each tap; set.</param>
internal readonly struct DepthwiseWeight2dKernel(
    Plane plane, ImageArrays arrays, long places, int length, GpuRows g, GpuRows sums) : IKernel
{
    public void Run()
    {
        long row = plane.Row, channel = plane.Column;
        if (plane.Contains(row, channel))
        {
            long block = row / arrays.Taps, first = block * length;
            int tap = (int)(row - (block * arrays.Taps));
            long end = first + length < places ? first + length : places;
            Quad sum = default;
            for (long place = first; place < end; place++)
            {
                sum += g.LoadQuad(place, channel, plane.Width) * arrays.Input(place, tap, channel);
            }

            sums.StoreQuad(row, channel, plane.Width, sum);
        }
    }
}
