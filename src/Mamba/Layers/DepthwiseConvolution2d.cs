using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A depthwise convolution over images: one filter per channel, zero padding at the edges.</summary>
/// <example>
/// <code>
/// using DepthwiseConvolution2d layer = new(device, channels: 64, width: 3, bias: true, random);
/// DeviceArray y = layer.Forward(images);                                // [batch, height, width, 64]
/// </code>
/// </example>
public sealed class DepthwiseConvolution2d : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="width">Taps along height and width, K.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <param name="random">Source of the initial weights, uniform in ±1/K; null leaves them unset.</param>
    /// <param name="stride">Distance between neighbouring outputs in pixels.</param>
    /// <param name="dilation">Distance between neighbouring taps in pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public DepthwiseConvolution2d(
        Device device, int channels, int width, bool bias, Random? random, int stride = 1, int dilation = 1)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dilation, 1);
        (Stride, Dilation) = (stride, dilation);
        int fan = checked(width * width);
        Weight = AddParameter("weight", [width, width, channels], Initial.FanIn(random, fan), decays: true);
        Bias = bias ? AddParameter("bias", [channels], Initial.FanIn(random, fan)) : null;
    }

    /// <summary>The taps, shape [width, width, channels].</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, shape [channels]; null if absent.</summary>
    public Parameter? Bias { get; }

    /// <summary>Distance between neighbouring outputs in pixels.</summary>
    public int Stride { get; }

    /// <summary>Distance between neighbouring taps in pixels.</summary>
    public int Dilation { get; }

    private protected override bool CanNarrow => false;

    /// <summary>Convolves images.</summary>
    /// <param name="x">Shape [batch, height, width, channels].</param>
    /// <returns>Shape [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels].</returns>
    /// <exception cref="ArgumentException">x has another number of channels, or not four axes.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.DepthwiseConvolution2d(
            x, Weight.Value, Optional(Bias), silu: false, Stride, Dilation);
    }
}
