using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Convolves every channel with a filter of its own that looks back: <c>y_t = f(bias + Σ_k w[k]·x_{t-(K-1)+k})</c>.
    /// </summary>
    /// <param name="x">The input, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels]; the last row weighs the token itself.</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="initialWindow">
    /// The inputs before the first token, [sequences, K-1, channels], oldest first; zeros where <c>default</c>.
    /// </param>
    /// <param name="segments">Where packed sequences begin and end; each row of the batch is one where null.</param>
    /// <param name="order">
    /// The order in which time visits the tokens; null: as they stand. x and y stay in the order of the grid, windows
    /// are in that of time: the result is that of <see cref="Reorder"/>, the convolution, and <see cref="Restore"/>.
    /// </param>
    /// <returns>y, shaped as x, and the last K-1 inputs, with which the next tokens begin.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    /// <remarks>
    /// The convolution of Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.4. Gradients flow
    /// through both windows, so a sequence may be cut anywhere.
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
    /// Continues <see cref="CausalConvolution"/> by a token or a few, and moves the window on in place.
    /// </summary>
    /// <param name="x">The new tokens, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels].</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="window">The last K-1 inputs, [batch, K-1, channels]; afterwards the last of these and x.</param>
    /// <param name="slots">
    /// Which rows of the window the sequences have, if it is a pool of more; null: one row for each, in their order.
    /// </param>
    /// <returns>y, shaped as x.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    /// <exception cref="InvalidOperationException">
    /// A tape follows an input: what is overwritten has no gradient.
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
    /// Convolves every channel with a filter of its own that looks both ways, zeros beyond the ends:
    /// <c>y_t = f(bias + Σ_k w[k]·x_{t-P+k})</c>, <c>P = ⌊(K-1)/2⌋</c>.
    /// </summary>
    /// <param name="x">The input, [batch, length, channels].</param>
    /// <param name="weight">w, [K, channels].</param>
    /// <param name="bias">The bias, [channels], or <c>default</c>.</param>
    /// <param name="silu">Whether f is SiLU; otherwise it is the identity.</param>
    /// <param name="segments">Where packed sequences begin and end; each row of the batch is one where null.</param>
    /// <param name="order">The order of time, as <see cref="CausalConvolution"/> has it.</param>
    /// <returns>y, shaped as x.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
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
