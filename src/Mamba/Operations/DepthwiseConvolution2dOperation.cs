using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// Depthwise convolution over an image: <c>y[i, j] = f(bias + Σ_a Σ_b w[a, b]·x[s·i - P + d·a, s·j - Q + d·b])</c>, f
/// the identity or SiLU, zeros beyond the edges.
/// </summary>
internal readonly record struct DepthwiseConvolution2dOperation : IOperation<DepthwiseConvolution2dOperation>
{
    /// <summary>x, [batch, height, width, channels].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>w, [taps down, taps across, channels].</summary>
    public required DeviceArray Weight { get; init; }

    /// <summary>The bias, [channels]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>Whether f is SiLU.</summary>
    public bool Silu { get; init; }

    /// <summary>s, pixels from one output to the next.</summary>
    public required int Stride { get; init; }

    /// <summary>d, pixels from one tap to the next.</summary>
    public required int Dilation { get; init; }

    /// <summary>y, [batch, ⌈height/s⌉, ⌈width/s⌉, channels].</summary>
    public DeviceArray Y { get; init; }

    public int Batch => X.Shape[0];

    public int Height => X.Shape[1];

    public int Width => X.Shape[2];

    public int Channels => X.Shape[3];

    public int OutputHeight => Outputs(Height);

    public int OutputWidth => Outputs(Width);

    public int TapsDown => Weight.Shape[0];

    public int TapsAcross => Weight.Shape[1];

    /// <summary>P, number of pixels above that the filter covers.</summary>
    public int Top => (TapsDown - 1) * Dilation / 2;

    /// <summary>Q, number of pixels to the left that the filter covers.</summary>
    public int Left => (TapsAcross - 1) * Dilation / 2;

    public DepthwiseConvolution2dOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            Y = map.Output(Y),
        };

    public DepthwiseConvolution2dOperation Prepare(Device device, bool keep)
    {
        if (X.Shape.Rank != 4)
        {
            throw new ArgumentException($"Expected [batch, height, width, channels]; found {X.Shape}.");
        }

        if (Weight.Shape.Rank != 3 || Weight.Shape.Width != Channels || TapsDown < 1 || TapsAcross < 1)
        {
            throw new ArgumentException(
                $"Expected a weight [taps down, taps across, {Channels}] for {X.Shape}; found {Weight.Shape}.");
        }

        DeviceArray.RequireOptional("the bias", Bias, [Channels]);
        _ = checked((TapsDown - 1) * Dilation);
        _ = checked((TapsAcross - 1) * Dilation);
        return this with
        {
            Y = device.AllocateOutput([Batch, OutputHeight, OutputWidth, Channels], X.Precision),
        };
    }

    public void Forward(Device device) => device.DepthwiseConvolution2d(this);

    public void Backward(Device device, in DepthwiseConvolution2dOperation gradients) =>
        device.DepthwiseConvolution2dBackward(this, gradients);

    private int Outputs(int pixels) => pixels == 0 ? 0 : ((pixels - 1) / Stride) + 1;
}
