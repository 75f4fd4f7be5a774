using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the selective scan of Mamba-1.</summary>
    /// <param name="inputs">What is scanned.</param>
    /// <param name="segments">Packed sequences; null where every row of the batch is one sequence.</param>
    /// <param name="order">
    /// The order in which time visits the tokens; null: as they stand. All inputs and y stay in the order of the grid:
    /// see <see cref="MultiScan"/>, which this is with one order.
    /// </param>
    /// <returns>
    /// y, in the shape of x, and h after the last token of every sequence: [sequences, states, channels], with complex
    /// A [sequences, 2, states, channels]. A sequence without tokens ends in its initial state.
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or the order does not fit x.</exception>
    /// <remarks>
    /// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, Algorithm 2. The backward pass recomputes the states
    /// from those kept at every chunk of tokens; nothing of [batch, length, channels, states] exists.
    /// </remarks>
    public static (DeviceArray Y, DeviceArray FinalState) SelectiveScan(
        in ScanInputs inputs, Segments? segments = null, ScanOrder? order = null)
    {
        Device device = Require(inputs.X);
        if (order is not null && order != ScanOrder.Forward)
        {
            return MultiScan(inputs, [order], segments);
        }

        ScanOperation scan = Run(device, new ScanOperation { Inputs = inputs, Segments = segments });
        return (scan.Y, scan.FinalState);
    }

    /// <summary>Computes one token of the selective scan and advances the state in place.</summary>
    /// <param name="inputs">
    /// Rows of one token: x, Δ, z of [batch, channels] or [batch, 1, channels], B and C likewise; no initial state.
    /// </param>
    /// <param name="state">
    /// h, read and written: [batch, states, channels]; with complex A [batch, 2, states, channels].
    /// </param>
    /// <param name="slots">
    /// Which rows of the state the sequences have, if it is a pool of more; null: one row for each, in their order.
    /// </param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or holds another initial state.</exception>
    /// <exception cref="InvalidOperationException">A tape follows an input: a step has no backward pass.</exception>
    public static DeviceArray SelectiveScanStep(
        in ScanInputs inputs, DeviceArray state, StateSlots? slots = null)
    {
        Device device = Require(inputs.X);
        Require(state);
        if (inputs.InitialState.Exists)
        {
            throw new ArgumentException($"A step starts from its state {state.Shape}; found an initial state, too.");
        }

        ScanOperation step = new() { Inputs = inputs.AsToken(state), Slots = slots, FinalState = state };
        if (Tape.Follows(step))
        {
            throw new InvalidOperationException("A step has no backward pass; scan a sequence of length 1 instead.");
        }

        return Run(device, step).Y.Reshape(inputs.X.Shape);
    }
}
