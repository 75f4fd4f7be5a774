using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void DepthwiseConvolution2d(in DepthwiseConvolution2dOperation convolution)
    {
        if (convolution.Silu)
        {
            OutputRows<DepthwiseConvolution2d.Activated<Elementwise.Silu>>(convolution, default, convolution.Y);
        }
        else
        {
            OutputRows<DepthwiseConvolution2d.Activated<Elementwise.Identity>>(convolution, default, convolution.Y);
        }
    }

    internal override void DepthwiseConvolution2dBackward(
        in DepthwiseConvolution2dOperation convolution, in DepthwiseConvolution2dOperation gradients)
    {
        using DeviceScope scope = Scope();
        DeviceArray g = gradients.Y;
        if (convolution.Silu)
        {
            // The forward pass does not keep the input of f, so it is computed again.
            g = Allocate(g.Shape);
            OutputRows<DepthwiseConvolution2d.ThroughActivation<Elementwise.Silu>>(convolution, gradients.Y, g);
        }

        ImageLines lines = new(convolution);
        if (gradients.X.Exists)
        {
            ImageRowBlocks blocks = new(lines.Batch, convolution.Height, convolution.Width, lines.Channels, 1);
            ImageFilter filter = new(StartOf(convolution.Weight), null, convolution.TapsAcross, lines.Channels);
            Run(new PixelRowsJob(blocks, lines, filter, RowsOf(g), RowsOf(gradients.X)), blocks.Count);
        }

        if (gradients.Weight.Exists || gradients.Bias.Exists)
        {
            int taps = convolution.TapsDown * convolution.TapsAcross, weights = taps * lines.Channels;
            ImageRowBlocks blocks = new(lines.Batch, lines.Down.Places, lines.Across.Places, lines.Channels, taps);
            DeviceArray sums = Allocate([blocks.Count, checked(weights + lines.Channels)]);
            Run(
                new FilterRowsJob(blocks, lines, RowsOf(convolution.X), RowsOf(g), RowsOf(sums)),
                blocks.Count);
            if (gradients.Weight.Exists)
            {
                AddColumnSums(sums.Slice(0, weights), gradients.Weight);
            }

            if (gradients.Bias.Exists)
            {
                AddColumnSums(sums.Slice(weights, lines.Channels), gradients.Bias);
            }
        }
    }

    private void OutputRows<TOutput>(in DepthwiseConvolution2dOperation convolution, DeviceArray gy, DeviceArray y)
        where TOutput : struct, DepthwiseConvolution2d.IOutput
    {
        ImageLines lines = new(convolution);
        ImageRowBlocks blocks = new(lines.Batch, lines.Down.Places, lines.Across.Places, lines.Channels, 1);
        ImageFilter filter = new(
            StartOf(convolution.Weight), StartOf(convolution.Bias), convolution.TapsAcross, lines.Channels);
        Run(
            new OutputRowsJob<TOutput>(blocks, lines, filter, RowsOf(convolution.X), RowsOf(gy), RowsOf(y)),
            blocks.Count);
    }

    /// <summary>The taps of a convolution down the rows of an image and across the pixels of a row.</summary>
    private readonly struct ImageLines(in DepthwiseConvolution2dOperation convolution)
    {
        public int Batch { get; } = convolution.Batch;

        public int Channels { get; } = convolution.Channels;

        public int Stride { get; } = convolution.Stride;

        public TapLine Down { get; } = TapLine.Forward(
            convolution.Height,
            convolution.OutputHeight,
            convolution.TapsDown,
            convolution.Top,
            convolution.Stride,
            convolution.Dilation);

        public TapLine Across { get; } = TapLine.Forward(
            convolution.Width,
            convolution.OutputWidth,
            convolution.TapsAcross,
            convolution.Left,
            convolution.Stride,
            convolution.Dilation);
    }

    /// <summary>The rows of all images of a batch, in blocks.</summary>
    private readonly struct ImageRowBlocks
    {
        private readonly long _rows;
        private readonly int _height;
        private readonly int _perItem;

        /// <param name="batch">Number of images.</param>
        /// <param name="height">Rows of an image.</param>
        /// <param name="width">Pixels of a row.</param>
        /// <param name="channels">Elements of a pixel.</param>
        /// <param name="leastPixels">Least number of pixels of a block.</param>
        public ImageRowBlocks(int batch, int height, int width, int channels, int leastPixels)
        {
            (_rows, _height) = (width == 0 ? 0 : (long)batch * height, height);
            long pixels = Math.Max(leastPixels, 2 * ElementsPerItem / Math.Max(channels, 1));
            _perItem = (int)Math.Max(1, pixels / Math.Max(width, 1));
        }

        public int Count => (int)((_rows + _perItem - 1) / _perItem);

        /// <summary>The first row of a block, counted through the batch, and the end of the block.</summary>
        public (long Row, long End) this[int item] =>
            ((long)item * _perItem, Math.Min(((long)item + 1) * _perItem, _rows));

        /// <summary>The image of a row, and the row's index in it.</summary>
        public (long Image, int Row) Place(long row)
        {
            (long image, long place) = Math.DivRem(row, _height);
            return (image, (int)place);
        }
    }

    private readonly struct OutputRowsJob<TOutput>(
        ImageRowBlocks blocks, ImageLines lines, ImageFilter filter, Rows x, Rows gy, Rows y) : IJob
        where TOutput : struct, DepthwiseConvolution2d.IOutput
    {
        public void Run(int item)
        {
            (long row, long end) = blocks[item];
            for (; row < end; row++)
            {
                (long image, int place) = blocks.Place(row);
                nint pixel = (nint)image * lines.Down.Pixels * lines.Across.Pixels;
                nint output = (nint)row * lines.Across.Places;
                Kernels.DepthwiseConvolution2d.Row<TOutput>(
                    lines.Down, lines.Across, place, filter, x.At(pixel, 0), gy.At(output, 0), y.At(output, 0));
            }
        }
    }

    /// <summary>The gradient of the pixels: one convolution for each phase of the stride.</summary>
    private readonly struct PixelRowsJob(
        ImageRowBlocks blocks, ImageLines lines, ImageFilter filter, Rows g, Rows gx) : IJob
    {
        public void Run(int item)
        {
            (long row, long end) = blocks[item];
            for (; row < end; row++)
            {
                (long image, int place) = blocks.Place(row);
                TapLine down = lines.Down.Backward(place % lines.Stride);
                nint output = (nint)image * lines.Down.Places * lines.Across.Places;
                nint pixel = (nint)row * lines.Across.Pixels;
                for (int phase = 0; phase < lines.Stride && down.Taps > 0; phase++)
                {
                    TapLine across = lines.Across.Backward(phase);
                    if (across.Taps > 0)
                    {
                        Kernels.DepthwiseConvolution2d.Row<DepthwiseConvolution2d.Added>(
                            down, across, place / lines.Stride, filter, g.At(output, 0), default, gx.At(pixel, 0));
                    }
                }
            }
        }
    }

    /// <summary>The gradient of the filters: one row of partial sums for each block of outputs.</summary>
    private readonly struct FilterRowsJob(ImageRowBlocks blocks, ImageLines lines, Rows x, Rows g, Rows sums) : IJob
    {
        public void Run(int item)
        {
            int taps = lines.Down.Taps * lines.Across.Taps;
            Rows own = new(sums[item], lines.Channels);
            new Span<float>(sums[item], (taps + 1) * lines.Channels).Clear();
            (long row, long end) = blocks[item];
            for (; row < end; row++)
            {
                (long image, int place) = blocks.Place(row);
                nint pixel = (nint)image * lines.Down.Pixels * lines.Across.Pixels;
                Kernels.DepthwiseConvolution2d.RowToFilter(
                    lines.Down,
                    lines.Across,
                    place,
                    lines.Channels,
                    x.At(pixel, 0),
                    g.At((nint)row * lines.Across.Places, 0),
                    own);
            }
        }
    }
}
