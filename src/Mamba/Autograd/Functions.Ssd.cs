using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the state-space dual (SSD) of Mamba-2.</summary>
    /// <param name="inputs">The inputs of the SSD.</param>
    /// <param name="segments">Packed sequences; null if every row of the batch is one sequence.</param>
    /// <param name="order">
    /// The order in which tokens are visited; null for their order in x. All inputs and the output stay in the order of
    /// the grid: inputs with a token axis pass through <see cref="Reorder"/>, the output through <see cref="Restore"/>.
    /// </param>
    /// <returns>
    /// The output, in the shape of x, and the state after the last token of every sequence,
    /// [sequences, heads, headDim, states].
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 6.</remarks>
    public static (DeviceArray Y, DeviceArray FinalState) Ssd(
        in SsdInputs inputs, Segments? segments = null, ScanOrder? order = null)
    {
        if (order is not null && order != ScanOrder.Forward)
        {
            _ = new SsdSizes(inputs, segments);
            SsdInputs visited = inputs.MapTokens(array => Reorder(array, order, segments));
            (DeviceArray y, DeviceArray state) = Ssd(visited, segments);
            return (Restore(y, order, segments), state);
        }

        SsdOperation ssd = Run(Require(inputs.X), new SsdOperation { Inputs = inputs, Segments = segments });
        return (ssd.Y, ssd.FinalState);
    }

    /// <summary>Computes one token of <see cref="Ssd"/> and updates the state in place.</summary>
    /// <param name="inputs">
    /// Inputs of one token: x, Δ and z of [batch, channels] or [batch, 1, channels], B and C with the same leading
    /// axes; no initial state.
    /// </param>
    /// <param name="state">h, read and written: [batch, heads, headDim, states].</param>
    /// <param name="slots">
    /// The row of the state for each sequence, if the state is a pool; null if sequence i has row i.
    /// </param>
    /// <returns>The output, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or there is an initial state.</exception>
    /// <exception cref="InvalidOperationException">A tape follows an input: a step has no backward pass.</exception>
    public static DeviceArray SsdStep(in SsdInputs inputs, DeviceArray state, StateSlots? slots = null)
    {
        Device device = Require(inputs.X);
        Require(state);
        if (inputs.InitialState.Exists)
        {
            throw new ArgumentException($"A step starts from its state {state.Shape}; found an initial state, too.");
        }

        SsdOperation step = new() { Inputs = inputs.AsToken(state), Slots = slots, FinalState = state };
        if (Tape.Follows(step))
        {
            throw new InvalidOperationException(
                "A step has no backward pass; use Ssd for a sequence of length 1 instead.");
        }

        return Run(device, step).Y.Reshape(inputs.X.Shape);
    }
}
