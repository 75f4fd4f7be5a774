using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A convolution over images: every output channel is made of all input channels.</summary>
/// <remarks>See <see cref="Functions.Convolution2d"/>.</remarks>
public sealed class Convolution2d : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="width">Number of taps down and across, K.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="random">Source of the first weights, uniform in ±1/√(inputs·K²); null leaves them unset.</param>
    /// <param name="stride">Pixels from one output to the next.</param>
    /// <param name="padding">Pixels of zeros around the images.</param>
    /// <param name="dilation">Pixels from one tap to the next.</param>
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

    /// <summary>Pixels from one output to the next.</summary>
    public int Stride { get; }

    /// <summary>Pixels of zeros around the images.</summary>
    public int Padding { get; }

    /// <summary>Pixels from one tap to the next.</summary>
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
