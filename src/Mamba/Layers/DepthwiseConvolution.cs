using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A causal depthwise convolution: one filter per channel, along time.</summary>
/// <example>
/// <code>
/// using DepthwiseConvolution convolution = new(device, channels: 64, width: 4, bias: true, random);
/// DeviceArray y = convolution.Forward(x);    // [batch, length, 64]
/// </code>
/// </example>
public sealed class DepthwiseConvolution : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="width">Number of taps, K.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <param name="random">Source of the initial weights, uniform in ±1/√K; null leaves them unset.</param>
    public DepthwiseConvolution(Device device, int channels, int width, bool bias, Random? random)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Weight = AddParameter("weight", [width, channels], Initial.FanIn(random, width), decays: true);
        Bias = bias ? AddParameter("bias", [channels], Initial.FanIn(random, width)) : null;
    }

    /// <summary>The taps, shape [width, channels]; the last tap multiplies the current token.</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, shape [channels]; null if absent.</summary>
    public Parameter? Bias { get; }

    private protected override bool CanNarrow => false;

    /// <summary>Number of taps, K.</summary>
    public int Width => Weight.Value.Shape[0];

    /// <summary>Number of channels.</summary>
    public int Channels => Weight.Value.Shape[1];

    /// <summary>Convolves whole sequences: output token t depends on input tokens t - K + 1 to t.</summary>
    /// <param name="x">Shape [batch, length, channels].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width, or not three axes.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Channels);
        return Functions.CausalConvolution(x, Weight.Value, Optional(Bias), silu: false).Y;
    }
}
