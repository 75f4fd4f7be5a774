using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A convolution over images, each channel by itself, zeros beyond the edges.</summary>
public sealed class DepthwiseConvolution2d : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="width">Number of taps down and across, K.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="random">Source of the first weights, uniform in ±1/K; null leaves them unset.</param>
    /// <param name="stride">Pixels from one output to the next.</param>
    /// <param name="dilation">Pixels from one tap to the next.</param>
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

    /// <summary>The bias, shape [channels]; null where there is none.</summary>
    public Parameter? Bias { get; }

    /// <summary>Pixels from one output to the next.</summary>
    public int Stride { get; }

    /// <summary>Pixels from one tap to the next.</summary>
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
