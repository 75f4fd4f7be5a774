namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>
    /// Depthwise convolution that looks back: <c>y_t = f(bias + Σ_k w[k]·x_{t-(K-1)+k})</c>, f the identity or SiLU.
    /// x and y are [batch, length, channels], w is [K, channels], bias [channels] or absent.
    /// </summary>
    /// <remarks>
    /// The windows are [sequences, K-1, channels]: the inputs before the first token (oldest first; zeros when absent)
    /// and the last inputs of all. They may be one array, which is then updated in place.
    /// </remarks>
    internal abstract void CausalConvolution(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray initialWindow,
        Sequences sequences,
        DeviceArray y,
        DeviceArray finalWindow);

    /// <summary>Goes back through <see cref="CausalConvolution"/>; any gradient may be absent.</summary>
    internal abstract void CausalConvolutionBackward(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray initialWindow,
        Sequences sequences,
        DeviceArray gy,
        DeviceArray gfinalWindow,
        DeviceArray gx,
        DeviceArray gweight,
        DeviceArray gbias,
        DeviceArray ginitialWindow);

    /// <summary>
    /// Depthwise convolution that looks both ways, zeros beyond the ends:
    /// <c>y_t = f(bias + Σ_k w[k]·x_{t-P+k})</c>, P = ⌊(K-1)/2⌋, f the identity or SiLU.
    /// </summary>
    internal abstract void SameConvolution(
        DeviceArray x, DeviceArray weight, DeviceArray bias, bool silu, Sequences sequences, DeviceArray y);

    /// <summary>Goes back through <see cref="SameConvolution"/>; any gradient may be absent.</summary>
    internal abstract void SameConvolutionBackward(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        Sequences sequences,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gweight,
        DeviceArray gbias);

    /// <summary>Throws unless the shapes are those of a depthwise convolution.</summary>
    private protected static void RequireConvolution(
        DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray y, Sequences sequences)
    {
        RequireSameShape(x, y);
        int channels = x.Shape.Width;
        if (weight.Shape.Rank != 2 || weight.Shape[0] < 1 || weight.Shape.Width != channels)
        {
            throw new ArgumentException($"Expected a weight [width, {channels}] for {x.Shape}; found {weight.Shape}.");
        }

        if (bias.Exists && bias.Shape != [channels])
        {
            throw new ArgumentException($"Expected a bias [{channels}] for {x.Shape}; found {bias.Shape}.");
        }

        if (x.Shape.Rank != 3 || x.Shape.Rows != sequences.Tokens)
        {
            throw new ArgumentException($"Expected x with {sequences.Tokens} tokens; found {x.Shape}.");
        }
    }

    /// <summary>Throws unless the window, if there is one, is [sequences, K-1, channels].</summary>
    private protected static void RequireWindow(DeviceArray window, DeviceArray weight, Sequences sequences)
    {
        Shape expected = [sequences.Count, weight.Shape[0] - 1, weight.Shape.Width];
        if (window.Exists && window.Shape != expected)
        {
            throw new ArgumentException(
                $"Expected a window {expected}, [sequences, width - 1, channels]; found {window.Shape}.");
        }
    }

    /// <summary>Throws unless the gradient is absent or has the shape of what it belongs to.</summary>
    private protected static void RequireGradientOf(DeviceArray x, DeviceArray gradient)
    {
        if (gradient.Exists && x.Exists && gradient.Shape != x.Shape)
        {
            throw new ArgumentException($"Expected a gradient {x.Shape}; found {gradient.Shape}.");
        }
    }
}
