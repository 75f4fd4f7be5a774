using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A 2-D convolution over images: each output channel is computed from all input channels.</summary>
/// <remarks>See <see cref="Functions.Convolution2d"/>.</remarks>
/// <example>
/// <code>
/// using Convolution2d layer = new(device, inputs: 3, outputs: 64, width: 3, bias: true, random, padding: 1);
/// DeviceArray y = layer.Forward(images);                                // [batch, height, width, 64]
/// </code>
/// </example>
public sealed class Convolution2d : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="inputs">Number of input channels.</param>
    /// <param name="outputs">Number of output channels.</param>
    /// <param name="width">Taps along height and width, K.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <param name="random">Source of the initial weights, uniform in ±1/√(inputs·K²); null leaves them unset.</param>
    /// <param name="stride">Distance between neighbouring outputs in pixels.</param>
    /// <param name="padding">Width of the zero padding around the image, in pixels.</param>
    /// <param name="dilation">Distance between neighbouring taps in pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Convolution2d(
        Device device,
        int inputs,
        int outputs,
        int width,
        bool bias,
        Random? random,
        int stride = 1,
        int padding = 0,
        int dilation = 1)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        ArgumentOutOfRangeException.ThrowIfLessThan(dilation, 1);
        (Stride, Padding, Dilation) = (stride, padding, dilation);
        int fan = checked(width * width * inputs);
        Weight = AddParameter("weight", [outputs, width, width, inputs], Initial.FanIn(random, fan), decays: true);
        Bias = bias ? AddParameter("bias", [outputs], Initial.FanIn(random, fan)) : null;
    }

    /// <summary>The taps, shape [outputs, width, width, inputs].</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, shape [outputs]; null if the layer has none.</summary>
    public Parameter? Bias { get; }

    /// <summary>Distance between neighbouring outputs in pixels.</summary>
    public int Stride { get; }

    /// <summary>Width of the zero padding around the image, in pixels.</summary>
    public int Padding { get; }

    /// <summary>Distance between neighbouring taps in pixels.</summary>
    public int Dilation { get; }

    private protected override bool CanNarrow => false;

    /// <summary>Convolves images.</summary>
    /// <param name="x">Shape [batch, height, width, inputs].</param>
    /// <returns>Shape [batch, new height, new width, outputs], see <see cref="Functions.Convolution2d"/>.</returns>
    /// <exception cref="ArgumentException">x has other axes, or is smaller than the filter.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.Convolution2d(x, Weight.Value, Optional(Bias), Stride, Padding, Dilation);
    }
}
