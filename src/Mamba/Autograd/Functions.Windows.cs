using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Takes windows along an axis; they may overlap.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="size">Size of a window.</param>
    /// <param name="step">Entries between the starts of neighbouring windows.</param>
    /// <returns>
    /// x with two axes in place of the one, windows and their entries: [.., <c>⌊(count - size)/step⌋ + 1</c>, size,
    /// ..]. Entries after the last whole window are dropped.
    /// </returns>
    /// <exception cref="ArgumentException">x has the maximum number of axes already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// x has no such axis, size or step is below 1, or a window is longer than the axis.
    /// </exception>
    /// <example>
    /// Takes patches of 16 time steps, one every 8; x has shape [batch, length, variates]:
    /// <code>
    /// DeviceArray patches = Functions.Unfold(x, 1, 16, 8);
    /// </code>
    /// </example>
    public static DeviceArray Unfold(DeviceArray x, int axis, int size, int step)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis), count = x.Shape[index];
        Setting.Require(
            size >= 1 && size <= count,
            nameof(size),
            $"from 1 to the {count} entries of axis {index} of {x.Shape}",
            size);
        Setting.RequirePositive(step, nameof(step));
        int windows = ((count - size) / step) + 1;
        int[] sizes = x.Shape.ToArray();
        Shape shape = Shape.Create([.. sizes[..index], windows, size, .. sizes[(index + 1)..]]);
        if (step == size)
        {
            return Contiguous(Slice(x, index, 0, windows * size)).Reshape(shape);
        }

        int[] order = new int[checked(windows * size)];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = (i / size * step) + (i % size);
        }

        AxisView view = AxisView.Of(x.Shape, index);
        int outer = checked((int)view.Outer), inner = checked((int)view.Inner);
        DeviceArray whole = Contiguous(x);
        if (inner == 1 && outer > 1)
        {
            // Gathering rows is fast, gathering single numbers is not.
            DeviceArray columns = SwapAxes(whole.Reshape([outer, count]), 0, 1);
            DeviceArray rows = GatherRows(columns, device.Indices(order), 1, [order.Length, outer]);
            return SwapAxes(rows, 0, 1).Reshape(shape);
        }

        return GatherRows(
            whole.Reshape([outer, count, inner]), device.Indices(order), outer, [outer, order.Length, inner])
            .Reshape(shape);
    }

    /// <summary>Splits sequences, images or volumes into patches that do not overlap.</summary>
    /// <param name="x">The input, [batch, length, channels], or with two or three axes in place of the length.</param>
    /// <param name="sizes">Size of a patch along each of these axes; it divides the axis.</param>
    /// <returns>
    /// The patches, one per row: [batch, patches along each axis, entries of a patch·channels]. A row has its entries
    /// in the order of x, with the channels of an entry adjacent.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The number of sizes differs from the number of axes, or a size does not divide its axis.
    /// </exception>
    /// <example>
    /// Makes the tokens of a vision model from images of shape [batch, height, width, channels]:
    /// <code>
    /// DeviceArray patches = Functions.Patches(images, 16, 16);
    /// DeviceArray tokens = Functions.Linear(patches, weight).Reshape([batch, height / 16 * (width / 16), dim]);
    /// </code>
    /// </example>
    public static DeviceArray Patches(DeviceArray x, params ReadOnlySpan<int> sizes)
    {
        Require(x);
        RequireAxes(x, sizes);
        int axes = sizes.Length;
        Span<int> shape = stackalloc int[axes + 2];
        shape[0] = x.Shape[0];
        nint entries = x.Shape.Width;
        for (int i = 0; i < axes; i++)
        {
            int count = x.Shape[i + 1];
            shape[i + 1] = sizes[i] > 0 && count % sizes[i] == 0
                ? count / sizes[i]
                : throw new ArgumentException(
                    $"Expected a patch that divides axis {i + 1} of {x.Shape}; found {sizes[i]}. Pad the axis first.",
                    nameof(sizes));
            entries *= sizes[i];
        }

        // [.., patches, size, patches of later axes, entries so far]: swaps the middle two, last axis first.
        DeviceArray y = Contiguous(x);
        nint grid = shape[axes], inner = (nint)x.Shape.Width * sizes[^1];
        for (int i = axes - 2; i >= 0; i--)
        {
            nint outer = AxisView.Product(x.Shape, 0, i + 1) * shape[i + 1];
            y = SwapMiddle(y, outer, sizes[i], grid, inner);
            (grid, inner) = (grid * shape[i + 1], inner * sizes[i]);
        }

        shape[^1] = checked((int)entries);
        return y.Reshape(Shape.Create(shape));
    }

    /// <summary>Joins patches: the inverse of <see cref="Patches"/>.</summary>
    /// <param name="x">The patches, [batch, patches along each axis, entries of a patch·channels].</param>
    /// <param name="sizes">Size of a patch along each axis.</param>
    /// <returns>[batch, entries along each axis, channels].</returns>
    /// <exception cref="ArgumentException">
    /// The number of sizes differs from the number of axes, or the entries of a patch do not divide the rows.
    /// </exception>
    /// <example>
    /// <code>
    /// DeviceArray images = Functions.Unpatch(Functions.Patches(x, 4, 4), 4, 4);
    /// </code>
    /// </example>
    public static DeviceArray Unpatch(DeviceArray x, params ReadOnlySpan<int> sizes)
    {
        Require(x);
        RequireAxes(x, sizes);
        int axes = sizes.Length;
        nint entries = 1, grid = 1;
        Span<int> shape = stackalloc int[axes + 2];
        shape[0] = x.Shape[0];
        for (int i = 0; i < axes; i++)
        {
            entries *= Math.Max(sizes[i], 0);
            grid *= x.Shape[i + 1];
            shape[i + 1] = checked(x.Shape[i + 1] * sizes[i]);
        }

        if (entries == 0 || x.Shape.Width % entries != 0)
        {
            throw new ArgumentException(
                $"Expected patches whose entries divide the rows of {x.Shape}; found sizes " +
                $"[{string.Join(", ", sizes.ToArray())}].",
                nameof(sizes));
        }

        DeviceArray y = Contiguous(x);
        nint inner = x.Shape.Width, outer = shape[0];
        for (int i = 0; i < axes - 1; i++)
        {
            outer *= x.Shape[i + 1];
            grid = AxisView.Product(x.Shape, i + 2, axes + 1);
            inner /= sizes[i];
            y = SwapMiddle(y, outer, grid, sizes[i], inner);
            outer *= sizes[i];
        }

        shape[^1] = (int)(x.Shape.Width / entries);
        return y.Reshape(Shape.Create(shape));
    }

    /// <summary>Computes the maximum of every window of an image, per channel.</summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="size">Height and width of a window.</param>
    /// <param name="stride">Pixels from one window to the next; 0 for the size, so that windows do not overlap.</param>
    /// <param name="padding">Pixels by which windows extend beyond the edges, at most half a window.</param>
    /// <returns>[batch, ⌊(height + 2·padding - size)/stride⌋ + 1, the same for the width, channels].</returns>
    /// <exception cref="ArgumentException">x does not have four axes, or is smaller than a window.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// size is below 1, stride is negative, or padding is not from 0 to half the size.
    /// </exception>
    /// <remarks>
    /// PyTorch's <c>MaxPool2d</c>: pixels beyond the edges are ignored. NaN if a window contains one; the gradient goes
    /// to the first of equal numbers.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray half = Functions.MaxPool2d(images, 2);
    /// </code>
    /// </example>
    public static DeviceArray MaxPool2d(DeviceArray x, int size, int stride = 0, int padding = 0) =>
        Pool(x, size, stride, padding, isMax: true);

    /// <summary>Computes the mean of every window of an image, per channel.</summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="size">Height and width of a window.</param>
    /// <param name="stride">Pixels from one window to the next; 0 for the size, so that windows do not overlap.</param>
    /// <param name="padding">Pixels by which windows extend beyond the edges, at most half a window.</param>
    /// <returns>[batch, ⌊(height + 2·padding - size)/stride⌋ + 1, the same for the width, channels].</returns>
    /// <exception cref="ArgumentException">x does not have four axes, or is smaller than a window.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// size is below 1, stride is negative, or padding is not from 0 to half the size.
    /// </exception>
    /// <remarks>PyTorch's <c>AvgPool2d</c>: pixels beyond the edges count as zeros.</remarks>
    /// <example>
    /// <code>
    /// DeviceArray half = Functions.MeanPool2d(images, 2);
    /// </code>
    /// </example>
    public static DeviceArray MeanPool2d(DeviceArray x, int size, int stride = 0, int padding = 0) =>
        Pool(x, size, stride, padding, isMax: false);

    private static DeviceArray Pool(DeviceArray x, int size, int stride, int padding, bool isMax)
    {
        Require(x);
        Setting.RequirePositive(size, nameof(size));
        Setting.RequireNotNegative(stride, nameof(stride));
        Setting.Require(padding >= 0 && padding <= size / 2, nameof(padding), $"from 0 to {size / 2}", padding);
        ImageWindows windows = new(x.Shape, size, size, stride == 0 ? size : stride, padding, 1);
        (int batch, int channels) = (x.Shape[0], x.Shape[3]);
        if (windows.Stride == size && padding == 0)
        {
            // Windows do not overlap: reduce along each axis.
            (int height, int width) = (windows.OutputHeight, windows.OutputWidth);
            DeviceArray used = Slice(Slice(x, 1, 0, height * size), 2, 0, width * size);
            DeviceArray parts = Contiguous(used).Reshape([batch, height, size, width, size, channels]);
            return isMax ? Max(Max(parts, 4), 2) : Mean(Mean(parts, 4), 2);
        }

        return Recompute(
            inner =>
            {
                DeviceArray pixels = WindowsOf(inner, windows, isMax);
                DeviceArray rows = pixels.Reshape(
                    [checked(batch * windows.OutputHeight * windows.OutputWidth), size * size, channels]);
                return (isMax ? Max(rows, 1) : Mean(rows, 1))
                    .Reshape([batch, windows.OutputHeight, windows.OutputWidth, channels]);
            },
            x);
    }

    /// <summary>The pixels of all windows, [batch, windows·pixels of a window, channels].</summary>
    /// <param name="x">The images.</param>
    /// <param name="windows">The windows.</param>
    /// <param name="repeat">
    /// Whether pixels beyond the edge repeat a pixel of the window; otherwise they are zeros.
    /// </param>
    private static DeviceArray WindowsOf(DeviceArray x, ImageWindows windows, bool repeat)
    {
        (int batch, int channels) = (x.Shape[0], x.Shape[3]);
        int[] pixels = windows.Pixels(repeat);
        DeviceArray rows = Contiguous(x).Reshape([batch, checked(windows.Height * windows.Width), channels]);
        return GatherRows(rows, x.Device.Indices(pixels), batch, [batch, pixels.Length, channels]);
    }

    /// <summary>Swaps the middle two of four axes.</summary>
    private static DeviceArray SwapMiddle(DeviceArray x, nint outer, nint first, nint second, nint inner) => SwapAxes(
        x.Reshape([checked((int)outer), checked((int)first), checked((int)second), checked((int)inner)]), 1, 2);

    private static void RequireAxes(DeviceArray x, ReadOnlySpan<int> sizes)
    {
        if (sizes.Length is < 1 or > 3 || x.Shape.Rank != sizes.Length + 2)
        {
            throw new ArgumentException(
                $"Expected one to three sizes, one for each axis between the first and the last of {x.Shape}; found " +
                $"[{string.Join(", ", sizes.ToArray())}].",
                nameof(sizes));
        }
    }

    /// <summary>Windows over images [batch, height, width, channels].</summary>
    private readonly struct ImageWindows
    {
        public ImageWindows(Shape shape, int down, int across, int stride, int padding, int dilation)
        {
            RequireImages(shape);
            Setting.RequirePositive(stride, nameof(stride));
            Setting.RequireNotNegative(padding, nameof(padding));
            Setting.RequirePositive(dilation, nameof(dilation));
            (Height, Width, Down, Across) = (shape[1], shape[2], down, across);
            (Stride, Padding, Dilation) = (stride, padding, dilation);
            (long reachDown, long reachAcross) = (((long)down - 1) * dilation, ((long)across - 1) * dilation);
            long restDown = Height + (2L * padding) - reachDown - 1;
            long restAcross = Width + (2L * padding) - reachAcross - 1;
            if (down < 1 || across < 1 || restDown < 0 || restAcross < 0)
            {
                throw new ArgumentException(
                    $"Expected images of at least one window; found {shape} and windows of {reachDown + 1} × " +
                    $"{reachAcross + 1} with a padding of {padding}.");
            }

            OutputHeight = checked((int)((restDown / stride) + 1));
            OutputWidth = checked((int)((restAcross / stride) + 1));
        }

        public int Height { get; }

        public int Width { get; }

        public int Down { get; }

        public int Across { get; }

        public int Stride { get; }

        public int Padding { get; }

        public int Dilation { get; }

        public int OutputHeight { get; }

        public int OutputWidth { get; }

        /// <summary>
        /// The pixels of each window, in order. Pixels beyond the edge are -1, or the first pixel of the window inside
        /// the image.
        /// </summary>
        public int[] Pixels(bool repeat)
        {
            int taps = Down * Across;
            int[] pixels = new int[checked(OutputHeight * OutputWidth * taps)];
            for (int place = 0; place < pixels.Length / taps; place++)
            {
                Span<int> window = pixels.AsSpan(place * taps, taps);
                (int i, int j) = Math.DivRem(place, OutputWidth);
                int inside = -1;
                for (int tap = 0; tap < taps; tap++)
                {
                    int row = (i * Stride) - Padding + (tap / Across * Dilation);
                    int column = (j * Stride) - Padding + (tap % Across * Dilation);
                    bool isInside = row >= 0 && row < Height && column >= 0 && column < Width;
                    window[tap] = isInside ? (row * Width) + column : -1;
                    inside = inside < 0 ? window[tap] : inside;
                }

                if (repeat)
                {
                    window.Replace(-1, inside);
                }
            }

            return pixels;
        }
    }

    private static void RequireImages(Shape shape)
    {
        if (shape.Rank != 4)
        {
            throw new ArgumentException($"Expected [batch, height, width, channels]; found {shape}.");
        }
    }
}
