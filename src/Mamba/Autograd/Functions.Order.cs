using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Reorders the tokens of every sequence, <c>y[b, t] = x[b, order[t]]</c>.</summary>
    /// <param name="x">The tokens, [batch, tokens, channels], in the order of the grid.</param>
    /// <param name="order">The order; -1 gives zeros.</param>
    /// <param name="segments">
    /// Packed sequences; <see cref="ScanOrder.Backward"/> reverses each of them. Null if every row is one sequence.
    /// </param>
    /// <returns>An array [batch, <c>order.Length</c>, channels].</returns>
    /// <exception cref="ArgumentException">
    /// The order does not fit x, or an order of fixed length has segments.
    /// </exception>
    /// <remarks>
    /// If no token is visited twice, the backward pass gathers by the inverse order: rows are independent, and nothing
    /// is sorted.
    /// </remarks>
    public static DeviceArray Reorder(DeviceArray x, ScanOrder order, Segments? segments = null) =>
        Move(x, order, segments, restores: false);

    /// <summary>Moves the tokens of every sequence back to the grid: the adjoint of <see cref="Reorder"/>.</summary>
    /// <param name="y">The tokens, [batch, <c>order.Length</c>, channels], in the order of steps.</param>
    /// <param name="order">The order.</param>
    /// <param name="segments">Packed sequences, as in <see cref="Reorder"/>.</param>
    /// <returns>
    /// An array [batch, tokens of the grid, channels]. Repeated tokens are summed, tokens that were not visited are 0,
    /// and padding is dropped.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The order does not fit y, or an order of fixed length has segments.
    /// </exception>
    public static DeviceArray Restore(DeviceArray y, ScanOrder order, Segments? segments = null) =>
        Move(y, order, segments, restores: true);

    private static DeviceArray Move(DeviceArray x, ScanOrder order, Segments? segments, bool restores)
    {
        Device device = Require(x, restores ? "y" : "x");
        ArgumentNullException.ThrowIfNull(order);
        if (order == ScanOrder.Forward)
        {
            order.RequireFit(x.Shape, segments);
            return x;
        }

        return Run(
            device, new ReorderOperation { X = x, Order = order, Segments = segments, Restores = restores }).Y;
    }
}
