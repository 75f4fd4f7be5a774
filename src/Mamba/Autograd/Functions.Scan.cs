using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the selective scan of Mamba-1.</summary>
    /// <param name="inputs">The inputs of the scan.</param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <param name="order">
    /// The order in which tokens are visited; null for their order in x. All inputs and y stay in the order of the
    /// grid. The same as <see cref="MultiScan"/> with one order.
    /// </param>
    /// <returns>
    /// y, in the shape of x, and h after the last token of every sequence, [sequences, states, channels], or
    /// [sequences, 2, states, channels] if A is complex. A sequence without tokens ends in its initial state.
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or the order does not fit x.</exception>
    /// <remarks>
    /// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, Algorithm 2. The backward pass recomputes the states
    /// from a checkpoint per chunk of tokens; no array of [batch, length, channels, states] exists.
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

    /// <summary>Computes one token of the selective scan and updates the state in place.</summary>
    /// <param name="inputs">
    /// Inputs of one token: x, Δ and z of [batch, channels] or [batch, 1, channels], B and C with the same leading
    /// axes; no initial state.
    /// </param>
    /// <param name="state">
    /// h, read and written: [batch, states, channels], or [batch, 2, states, channels] if A is complex.
    /// </param>
    /// <param name="slots">
    /// The row of the state for each sequence, if the state is a pool; null if sequence i has row i.
    /// </param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or there is an initial state.</exception>
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
