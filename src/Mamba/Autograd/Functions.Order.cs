using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Puts the tokens of every sequence into an order, <c>y[b, t] = x[b, order[t]]</c>.</summary>
    /// <param name="x">The tokens, [batch, tokens, channels], in the order of the grid.</param>
    /// <param name="order">The order; zeros stand where it is -1.</param>
    /// <param name="segments">
    /// Packed sequences, which <see cref="ScanOrder.Backward"/> reverses one by one; null: one sequence a row.
    /// </param>
    /// <returns>An array [batch, <c>order.Length</c>, channels].</returns>
    /// <exception cref="ArgumentException">
    /// The order does not fit x, or segments come with an order of one length.
    /// </exception>
    /// <remarks>
    /// If no token comes twice, the backward pass gathers by the inverse: rows are independent, nothing is sorted.
    /// </remarks>
    public static DeviceArray Reorder(DeviceArray x, ScanOrder order, Segments? segments = null) =>
        Move(x, order, segments, restores: false);

    /// <summary>Puts the tokens of every sequence back: the way back of <see cref="Reorder"/>.</summary>
    /// <param name="y">The tokens, [batch, <c>order.Length</c>, channels], in the order of steps.</param>
    /// <param name="order">The order.</param>
    /// <param name="segments">Packed sequences, as there.</param>
    /// <returns>
    /// An array [batch, tokens of the grid, channels]. Tokens that come several times are added up, those that are left
    /// out are 0, and padding is dropped.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The order does not fit y, or segments come with an order of one length.
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
