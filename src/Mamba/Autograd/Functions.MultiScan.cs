using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Scans the same tokens in several orders and sums the outputs.</summary>
    /// <param name="inputs">
    /// The inputs, in the order of the grid. x and z, [batch, tokens, channels], are shared. Every order has its own
    /// part of the others, concatenated along the last axis: Δ [batch, tokens, orders·channels], A
    /// [states, orders·channels], B and C [batch, tokens, orders·groups·states] (or as A if they are constant), D and
    /// the bias of Δ [orders·channels], the initial state [sequences, states, orders·channels]; complex arrays as in
    /// <see cref="ScanInputs"/>.
    /// </param>
    /// <param name="orders">At least one order.</param>
    /// <param name="segments">
    /// Packed sequences, with <see cref="ScanOrder.Forward"/> and <see cref="ScanOrder.Backward"/> only; null if every
    /// row of the batch is one sequence.
    /// </param>
    /// <returns>
    /// y, in the shape of x and the order of the grid, and h after the last step of every order, in the layout of the
    /// initial state.
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or an order does not fit x.</exception>
    /// <remarks>
    /// The output of an order equals <see cref="Reorder"/> of all inputs with a token axis, the scan and
    /// <see cref="Restore"/>, one after the other. A step of padding therefore reads zeros (its Δ is what bias and
    /// softplus give for 0), and its output is dropped. The cross-scan of VMamba: Liu et al.,
    /// <see href="https://arxiv.org/abs/2401.10166"/>, section 4.2. The CPU reads rows by index if all orders are
    /// permutations, and makes no copies.
    /// </remarks>
    /// <example>
    /// Scans in both directions:
    /// <code>
    /// DeviceArray sum = Functions.MultiScan(inputs, [ScanOrder.Forward, ScanOrder.Backward]).Y;
    /// </code>
    /// </example>
    public static (DeviceArray Y, DeviceArray FinalState) MultiScan(
        in ScanInputs inputs, ReadOnlySpan<ScanOrder> orders, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        bool arePermutations = true;
        foreach (ScanOrder order in orders)
        {
            ArgumentNullException.ThrowIfNull(order, nameof(orders));
            order.RequireFit(inputs.X.Shape, segments);
            arePermutations &= order.IsPermutation;
        }

        ScanSizes sizes = orders.IsEmpty
            ? throw new ArgumentException("Expected at least one order; found none.", nameof(orders))
            : new(inputs, segments, directions: orders.Length);
        if (device.TakesOrders && arePermutations)
        {
            ScanOperation scan = Run(
                device, new ScanOperation { Inputs = inputs, Segments = segments, Orders = orders.ToArray() });
            return (scan.Y, scan.FinalState);
        }

        DeviceArray y = default;
        DeviceArray[] states = new DeviceArray[orders.Length];
        for (int i = 0; i < orders.Length; i++)
        {
            ScanOrder order = orders[i];
            ScanInputs own = orders.Length == 1 ? inputs : DirectionOf(inputs, sizes, i);
            (DeviceArray part, states[i]) =
                SelectiveScan(own.MapTokens(array => Reorder(array, order, segments)), segments);
            part = Restore(part, order, segments);
            y = i == 0 ? part : Add(y, part);
        }

        return (y, states.Length == 1 ? states[0] : Concat(-1, states));
    }

    /// <summary>The inputs of one of several orders.</summary>
    private static ScanInputs DirectionOf(in ScanInputs inputs, ScanSizes sizes, int direction)
    {
        return inputs with
        {
            Delta = Part(inputs.Delta),
            GivenA = Contiguous(Part(inputs.GivenA)),
            B = inputs.HasConstantB ? Contiguous(Part(inputs.B)) : Part(inputs.B),
            C = inputs.HasConstantC ? Contiguous(Part(inputs.C)) : Part(inputs.C),
            D = Part(inputs.D),
            DeltaBias = Part(inputs.DeltaBias),
            InitialState = inputs.InitialState.Exists ? Contiguous(Part(inputs.InitialState)) : default,
        };

        DeviceArray Part(DeviceArray all)
        {
            int width = all.Exists ? all.Shape.Width / sizes.Directions : 0;
            return all.Exists ? all.Slice(direction * width, width) : default;
        }
    }
}
