using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Normalises groups of neighbouring channels over all positions of a sample:
    /// <c>y = (x - mean)/√(var + ε)·w + b</c>.
    /// </summary>
    /// <param name="x">The input, [batch, .., channels].</param>
    /// <param name="groups">
    /// Number of groups, a divisor of the channels; one channel per group is instance norm.
    /// </param>
    /// <param name="weight">w, [channels].</param>
    /// <param name="bias">b, [channels], or <c>default</c>.</param>
    /// <param name="epsilon">ε, inside the root.</param>
    /// <returns>An array of the same shape.</returns>
    /// <exception cref="ArgumentException">
    /// An input has the wrong shape, or the groups do not divide the channels.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">ε is not a positive finite number.</exception>
    /// <remarks>
    /// Wu and He, <see href="https://arxiv.org/abs/1803.08494"/>, eq. 1 to 7. The variance divides by n, not by n - 1.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray y = Functions.GroupNorm(images, 8, weight, bias);
    /// </code>
    /// </example>
    public static DeviceArray GroupNorm(
        DeviceArray x, int groups, DeviceArray weight, DeviceArray bias = default, float epsilon = 1e-5f)
    {
        Device device = Require(x);
        Require(weight);
        int channels = x.Shape.Width, batch = x.Shape[0];
        Setting.RequirePositiveFloat(epsilon, nameof(epsilon));
        DeviceArray.Require("the weight", weight, [channels]);
        DeviceArray.RequireOptional("the bias", bias, [channels]);
        if (x.Shape.Rank < 2 || groups < 1 || channels % groups != 0)
        {
            throw new ArgumentException(
                "Expected [batch, .., channels] and a number of groups that divides the channels; found " +
                $"{x.Shape} and {groups} groups.");
        }

        int places = checked((int)AxisView.Product(x.Shape, 1, x.Shape.Rank - 1)), width = channels / groups;
        DeviceArray rows = Contiguous(x).Reshape([batch, places, channels]);
        DeviceArray centered = rows - OfChannels(MeanOfGroups(rows));
        DeviceArray deviation = Sqrt(MeanOfGroups(Square(centered)) + device.Array([1], [epsilon]));
        DeviceArray scale = OfChannels(device.Array([1], [1]) / deviation) * weight;
        DeviceArray y = bias.Exists
            ? ScaleShift(centered, scale, Repeat(bias.Reshape([1, 1, channels]), 0, batch))
            : centered * scale;
        return y.Reshape(x.Shape);

        // [batch, groups, 1]
        DeviceArray MeanOfGroups(DeviceArray x) =>
            Mean(Mean(x, 1).Reshape([batch, groups, width]), 2, keep: true);

        // [batch, 1, channels]
        DeviceArray OfChannels(DeviceArray x) => Repeat(x, 2, width).Reshape([batch, 1, channels]);
    }
}
