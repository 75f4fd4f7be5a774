using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Resizes images.</summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="height">The new height.</param>
    /// <param name="width">The new width.</param>
    /// <param name="interpolation">The interpolation.</param>
    /// <param name="alignCorners">
    /// For bilinear interpolation: pixel i of n new ones is at <c>i·(count - 1)/(n - 1)</c>, so that the corner pixels
    /// match. Otherwise it is at <c>(i + 1/2)·count/n - 1/2</c>, clamped to the edges.
    /// </param>
    /// <returns>[batch, height, width, channels].</returns>
    /// <exception cref="ArgumentException">x does not have four axes, or has no pixels.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is below 1, or the interpolation is not defined.
    /// </exception>
    /// <remarks>
    /// PyTorch's <c>interpolate</c> with modes <c>nearest</c> and <c>bilinear</c>, without anti-aliasing: pixels that
    /// are not next to a new one are skipped.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray large = Functions.Resize(images, 2 * height, 2 * width, Interpolation.Bilinear);
    /// </code>
    /// </example>
    public static DeviceArray Resize(
        DeviceArray x, int height, int width, Interpolation interpolation, bool alignCorners = false)
    {
        Require(x);
        RequireImages(x.Shape);
        Setting.RequirePositive(height, nameof(height));
        Setting.RequirePositive(width, nameof(width));
        Setting.Require(
            interpolation is Interpolation.Nearest or Interpolation.Bilinear,
            nameof(interpolation),
            "one that has a name",
            interpolation);
        if (x.Shape[1] == 0 || x.Shape[2] == 0)
        {
            throw new ArgumentException($"Expected images of at least one pixel; found {x.Shape}.", nameof(x));
        }

        DeviceArray whole = Contiguous(x);
        return interpolation == Interpolation.Nearest
            ? PickAlong(PickAlong(whole, 1, Nearest(x.Shape[1], height)), 2, Nearest(x.Shape[2], width))
            : LinearAlong(LinearAlong(whole, 1, height, alignCorners), 2, width, alignCorners);
    }

    /// <summary>Enlarges images by a factor and turns channels into pixels.</summary>
    /// <param name="x">The images, [batch, height, width, channels·factor²].</param>
    /// <param name="factor">How many times higher and wider they become.</param>
    /// <returns>
    /// y, [batch, height·factor, width·factor, channels]:
    /// <c>y[factor·i + a, factor·j + b, c] = x[i, j, (c·factor + a)·factor + b]</c>.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// x does not have four axes, or the factor's square does not divide the channels.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The factor is below 1.</exception>
    /// <remarks>
    /// Shi et al., <see href="https://arxiv.org/abs/1609.05158"/>, eq. 4, with the channel order of PyTorch's
    /// <c>PixelShuffle</c>.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray large = Functions.PixelShuffle(Functions.Linear(images, weight), 2);
    /// </code>
    /// </example>
    public static DeviceArray PixelShuffle(DeviceArray x, int factor)
    {
        Require(x);
        RequireImages(x.Shape);
        Setting.RequirePositive(factor, nameof(factor));
        (int batch, int height, int width) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        int square = checked(factor * factor), channels = x.Shape[3] / square;
        if (channels * square != x.Shape[3])
        {
            throw new ArgumentException(
                $"Expected channels that are a multiple of {square}; found {x.Shape}.", nameof(x));
        }

        DeviceArray parts = Contiguous(x).Reshape([batch, height, width, channels, factor, factor]);
        return Permute(parts, 0, 1, 4, 2, 5, 3)
            .Reshape([batch, checked(height * factor), checked(width * factor), channels]);
    }

    private static int[] Nearest(int count, int wanted)
    {
        int[] order = new int[wanted];
        for (int i = 0; i < wanted; i++)
        {
            order[i] = (int)((long)i * count / wanted);
        }

        return order;
    }

    /// <summary>Gathers entries of an axis of a contiguous array.</summary>
    private static DeviceArray PickAlong(DeviceArray x, int axis, int[] order)
    {
        AxisView view = AxisView.Of(x.Shape, axis);
        (int outer, int inner) = (checked((int)view.Outer), checked((int)view.Inner));
        Shape shape = x.Shape.WithSize(axis, order.Length);
        return GatherRows(
            x.Reshape([outer, (int)view.Count, inner]),
            x.Device.Indices(order),
            outer,
            [outer, order.Length, inner]).Reshape(shape);
    }

    /// <summary>
    /// Interpolates linearly between neighbouring entries of an axis of a contiguous array, <c>a + (b - a)·weight</c>.
    /// </summary>
    private static DeviceArray LinearAlong(DeviceArray x, int axis, int wanted, bool alignCorners)
    {
        Device device = x.Device;
        int count = x.Shape[axis];
        if (count == wanted)
        {
            return x; // each new entry is at an old one
        }

        int[] below = new int[wanted], above = new int[wanted];
        float[] weights = new float[wanted];
        for (int i = 0; i < wanted; i++)
        {
            double place = alignCorners
                ? wanted == 1 ? 0 : i * (count - 1.0) / (wanted - 1)
                : Math.Max(((i + 0.5) * count / wanted) - 0.5, 0);
            below[i] = Math.Min((int)place, count - 1);
            above[i] = Math.Min(below[i] + 1, count - 1);
            weights[i] = (float)(place - below[i]);
        }

        DeviceArray a = PickAlong(x, axis, below), b = PickAlong(x, axis, above);
        int inner = checked((int)AxisView.Product(x.Shape, axis + 1, 4));
        DeviceArray weight = Repeat(device.Array([wanted, 1], weights), 1, inner);
        int outer = checked((int)AxisView.Product(x.Shape, 0, axis));
        DeviceArray step = (b - a).Reshape([outer, wanted, inner]) * weight;
        return a + step.Reshape(a.Shape);
    }
}
