using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes a causal depthwise convolution, <c>y_t = f(bias + Σ_k w[k]·x_{t-(K-1)+k})</c>.</summary>
    /// <param name="x">The input, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels]; the last row applies to the current token.</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="initialWindow">
    /// The inputs before the first token, [sequences, K-1, channels], oldest first; zeros if <c>default</c>.
    /// </param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <param name="order">
    /// The order in which tokens are visited; null for their order in x. x and y stay in the order of the grid, windows
    /// are in the order of visits. The result equals <see cref="Reorder"/>, the convolution and <see cref="Restore"/>,
    /// one after the other.
    /// </param>
    /// <returns>y, in the shape of x, and the last K-1 inputs: the initial window for the next tokens.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>
    /// The convolution of Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.4. Gradients flow
    /// through both windows, so a sequence can be split at any token.
    /// </remarks>
    public static (DeviceArray Y, DeviceArray FinalWindow) CausalConvolution(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias = default,
        bool silu = false,
        DeviceArray initialWindow = default,
        Segments? segments = null,
        ScanOrder? order = null)
    {
        Require(weight);
        ConvolutionOperation convolution = Convolve(
            new ConvolutionOperation
            {
                X = x,
                Weight = weight,
                Bias = bias,
                Silu = silu,
                IsCausal = true,
                InitialWindow = initialWindow,
                Segments = segments,
                Order = order,
            });
        return (convolution.Y, convolution.FinalWindow);
    }

    /// <summary>
    /// Continues <see cref="CausalConvolution"/> by one or more tokens and updates the window in place.
    /// </summary>
    /// <param name="x">The new tokens, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels].</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="window">
    /// The last K-1 inputs, [batch, K-1, channels], read and written; on return they include x.
    /// </param>
    /// <param name="slots">
    /// The row of the window for each sequence, if the window is a pool; null if sequence i has row i.
    /// </param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <exception cref="InvalidOperationException">
    /// A tape follows an input: the step overwrites its window and has no gradient.
    /// </exception>
    public static DeviceArray CausalConvolutionStep(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray window,
        StateSlots? slots = null)
    {
        Device device = Require(x);
        Require(weight);
        Require(window);
        ConvolutionOperation step = new()
        {
            X = x,
            Weight = weight,
            Bias = bias,
            Silu = silu,
            IsCausal = true,
            InitialWindow = window,
            Slots = slots,
            FinalWindow = window,
        };
        if (Tape.Follows(step))
        {
            throw new InvalidOperationException(
                "A step overwrites its window and has no gradient; use the sequence form.");
        }

        return Run(device, step).Y;
    }

    /// <summary>
    /// Computes a depthwise convolution over tokens on both sides, with zeros beyond the ends:
    /// <c>y_t = f(bias + Σ_k w[k]·x_{t-P+k})</c>, <c>P = ⌊(K-1)/2⌋</c>.
    /// </summary>
    /// <param name="x">The input, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels].</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <param name="order">The order in which tokens are visited, as in <see cref="CausalConvolution"/>.</param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    public static DeviceArray SameConvolution(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias = default,
        bool silu = false,
        Segments? segments = null,
        ScanOrder? order = null)
    {
        Require(weight);
        return Convolve(
            new ConvolutionOperation
            {
                X = x,
                Weight = weight,
                Bias = bias,
                Silu = silu,
                IsCausal = false,
                Segments = segments,
                Order = order,
            }).Y;
    }

    private static ConvolutionOperation Convolve(ConvolutionOperation convolution)
    {
        Device device = Require(convolution.X, "x");
        if (convolution.Order is not { } order || order == ScanOrder.Forward)
        {
            return Run(device, convolution with { Order = null });
        }

        order.RequireFit(convolution.X.Shape, convolution.Segments);
        if (device.TakesOrders && order.IsPermutation)
        {
            return Run(device, convolution);
        }

        ConvolutionOperation gathered = Run(
            device,
            convolution with { X = Reorder(convolution.X, order, convolution.Segments), Order = null });
        return gathered with { Y = Restore(gathered.Y, order, convolution.Segments) };
    }
}
