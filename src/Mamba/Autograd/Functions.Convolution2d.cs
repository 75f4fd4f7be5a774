using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Largest number of elements that are gathered at once, unless one image needs more.</summary>
    private const int GatheredAtOnce = 1 << 22;

    /// <summary>
    /// Convolves images: <c>y[i, j, o] = bias[o] + Σ_a Σ_b Σ_c w[o, a, b, c]·x[s·i - p + d·a, s·j - p + d·b, c]</c>.
    /// </summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="weight">w, [outputs, taps down, taps across, channels].</param>
    /// <param name="bias">The bias, [outputs], or <c>default</c>.</param>
    /// <param name="stride">s, pixels from one output to the next.</param>
    /// <param name="padding">p, pixels of zeros around the images.</param>
    /// <param name="dilation">d, pixels from one tap to the next.</param>
    /// <returns>[batch, ⌊(height + 2·p - d·(taps down - 1) - 1)/s⌋ + 1, the same for the width, outputs].</returns>
    /// <exception cref="ArgumentException">
    /// An input has the wrong shape, or the images are smaller than the filter.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// stride or dilation is below 1, padding is negative, or outputPadding is not from 0 to below the stride.
    /// </exception>
    /// <remarks>
    /// PyTorch's <c>Conv2d</c> with its weight [outputs, channels, down, across] permuted by (0, 2, 3, 1). Computed for
    /// a few images at a time as a matrix product with the gathered pixels of every output (im2col). The backward pass
    /// gathers these pixels again.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray y = Functions.Convolution2d(images, weight, bias, stride: 2, padding: 1);
    /// </code>
    /// </example>
    public static DeviceArray Convolution2d(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias = default,
        int stride = 1,
        int padding = 0,
        int dilation = 1)
    {
        Require(x);
        Require(weight);
        RequireImages(x.Shape);
        (int batch, int channels) = (x.Shape[0], x.Shape[3]);
        if (weight.Shape.Rank != 4 || weight.Shape.Width != channels)
        {
            throw new ArgumentException(
                $"Expected a weight [outputs, taps down, taps across, {channels}] for {x.Shape}; found {weight.Shape}.",
                nameof(weight));
        }

        (int outputs, int down, int across) = (weight.Shape[0], weight.Shape[1], weight.Shape[2]);
        DeviceArray.RequireOptional("the bias", bias, [outputs]);
        ImageWindows windows = new(x.Shape, down, across, stride, padding, dilation);
        int width = checked(down * across * channels);
        DeviceArray matrix = Contiguous(weight).Reshape([outputs, width]);
        if (width == channels && stride == 1 && padding == 0)
        {
            return Linear(x, matrix, bias);
        }

        int perImage = checked(windows.OutputHeight * windows.OutputWidth * width);
        int atOnce = Math.Max(1, GatheredAtOnce / Math.Max(perImage, 1));
        if (atOnce >= batch)
        {
            return Part(x);
        }

        DeviceArray whole = Contiguous(x);
        DeviceArray[] parts = new DeviceArray[(batch + atOnce - 1) / atOnce];
        for (int i = 0; i < parts.Length; i++)
        {
            int start = i * atOnce;
            parts[i] = Part(Slice(whole, 0, start, Math.Min(atOnce, batch - start)));
        }

        return Concat(0, parts);

        DeviceArray Part(DeviceArray images) => Recompute(
            inner => Linear(
                WindowsOf(inner, windows, repeat: false)
                    .Reshape([inner.Shape[0], windows.OutputHeight, windows.OutputWidth, width]),
                matrix,
                bias),
            images);
    }

    /// <summary>
    /// Computes a transposed convolution of images, the adjoint of <see cref="Convolution2d"/>: each pixel adds
    /// <c>w[a, b]·x[i, j]</c> to the outputs <c>[s·i - p + a, s·j - p + b]</c>.
    /// </summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="weight">w, [taps down, taps across, outputs, channels].</param>
    /// <param name="bias">The bias, [outputs], or <c>default</c>.</param>
    /// <param name="stride">s, outputs from one pixel to the next.</param>
    /// <param name="padding">p, outputs removed at each edge.</param>
    /// <param name="outputPadding">Outputs added at the lower and right edges, fewer than the stride.</param>
    /// <returns>[batch, (height - 1)·s - 2·p + taps down + output padding, the same for the width, outputs].</returns>
    /// <exception cref="ArgumentException">
    /// An input has the wrong shape, or the output would have no pixels.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// stride or dilation is below 1, padding is negative, or outputPadding is not from 0 to below the stride.
    /// </exception>
    /// <remarks>
    /// PyTorch's <c>ConvTranspose2d</c> with its weight [channels, outputs, down, across] permuted by (2, 3, 1, 0).
    /// </remarks>
    /// <example>
    /// Doubles the size of images, with a weight [2, 2, outputs, channels]:
    /// <code>
    /// DeviceArray y = Functions.TransposedConvolution2d(images, weight, bias, stride: 2);
    /// </code>
    /// </example>
    public static DeviceArray TransposedConvolution2d(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias = default,
        int stride = 1,
        int padding = 0,
        int outputPadding = 0)
    {
        Device device = Require(x);
        Require(weight);
        RequireImages(x.Shape);
        Shape images = x.Shape, taps = weight.Shape;
        if (taps.Rank != 4 || taps.Width != images.Width || taps[0] < 1 || taps[1] < 1)
        {
            throw new ArgumentException(
                $"Expected a weight [taps down, taps across, outputs, {images.Width}] for {images}; found {taps}.",
                nameof(weight));
        }

        int outputs = taps[2];
        DeviceArray.RequireOptional("the bias", bias, [outputs]);
        Setting.RequirePositive(stride, nameof(stride));
        Setting.RequireNotNegative(padding, nameof(padding));
        Setting.Require(
            outputPadding >= 0 && outputPadding < stride,
            nameof(outputPadding),
            $"from 0 to below the stride of {stride}",
            outputPadding);
        int height = checked(((images[1] - 1) * stride) - (2 * padding) + taps[0] + outputPadding);
        int width = checked(((images[2] - 1) * stride) - (2 * padding) + taps[1] + outputPadding);
        if (height < 1 || width < 1 || images[1] == 0 || images[2] == 0)
        {
            throw new ArgumentException(
                $"Expected outputs of at least one pixel; found {height} × {width} of {images} and {taps} with a " +
                $"padding of {padding}.");
        }

        // One row for each pixel and tap. An output sums at most so many of them.
        int terms = checked(((taps[0] + stride - 1) / stride) * ((taps[1] + stride - 1) / stride));
        DeviceArray matrix = Contiguous(weight).Reshape([checked(taps[0] * taps[1] * outputs), images.Width]);
        DeviceArray products = Linear(x, matrix);
        int[] order = TermsOf(images, taps, height, width, stride, padding, terms);
        DeviceArray gathered = GatherRows(
            products.Reshape([images[0], checked(images[1] * images[2] * taps[0] * taps[1]), outputs]),
            device.Indices(order),
            images[0],
            [images[0], order.Length, outputs]);
        DeviceArray y = terms == 1
            ? gathered
            : Sum(gathered.Reshape([checked(images[0] * height * width), terms, outputs]), 1);
        y = y.Reshape([images[0], height, width, outputs]);
        return bias.Exists ? Add(y, bias) : y;
    }

    /// <summary>
    /// For each output, the products that it sums, padded with -1 to an equal number for all outputs.
    /// </summary>
    private static int[] TermsOf(Shape images, Shape taps, int height, int width, int stride, int padding, int terms)
    {
        int across = (taps[1] + stride - 1) / stride;
        int[] order = new int[checked(height * width * terms)];
        for (int place = 0; place < order.Length; place++)
        {
            (int output, int term) = Math.DivRem(place, terms);
            int i = (output / width) + padding, j = (output % width) + padding;
            int a = (i % stride) + (term / across * stride), b = (j % stride) + (term % across * stride);
            int row = (i - a) / stride, column = (j - b) / stride;
            bool isTerm = a < taps[0] && b < taps[1] && a <= i && b <= j && row < images[1] && column < images[2];
            order[place] = isTerm ? (((((row * images[2]) + column) * taps[0]) + a) * taps[1]) + b : -1;
        }

        return order;
    }
}
