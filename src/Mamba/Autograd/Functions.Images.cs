using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes a depthwise convolution of images, with zeros beyond the edges:
    /// <c>y[i, j] = f(bias + Σ_a Σ_b w[a, b]·x[s·i - P + d·a, s·j - Q + d·b])</c>, <c>P = ⌊d·(taps down - 1)/2⌋</c>,
    /// <c>Q = ⌊d·(taps across - 1)/2⌋</c>.
    /// </summary>
    /// <param name="x">The images, [batch, height, width, channels].</param>
    /// <param name="weight">w, [taps down, taps across, channels].</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="stride">s, pixels from one output to the next.</param>
    /// <param name="dilation">d, pixels from one tap to the next.</param>
    /// <returns>y, [batch, ⌈height/s⌉, ⌈width/s⌉, channels].</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The stride or the dilation is below 1.</exception>
    /// <remarks>
    /// With odd numbers of taps it equals PyTorch's
    /// <c>Conv2d(C, C, taps, stride, padding=d·(taps - 1)/2, dilation, groups=C)</c>. Vision layers such as SS2D (Liu
    /// et al., <see href="https://arxiv.org/abs/2401.10166"/>) use 3 × 3 taps.
    /// </remarks>
    /// <example>
    /// <code>
    /// DeviceArray y = Functions.DepthwiseConvolution2d(images, weight, bias, silu: true);
    /// </code>
    /// </example>
    public static DeviceArray DepthwiseConvolution2d(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias = default,
        bool silu = false,
        int stride = 1,
        int dilation = 1)
    {
        Device device = Require(x);
        Require(weight);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dilation, 1);
        return Run(
            device,
            new DepthwiseConvolution2dOperation
            {
                X = x,
                Weight = weight,
                Bias = bias,
                Silu = silu,
                Stride = stride,
                Dilation = dilation,
            }).Y;
    }
}
