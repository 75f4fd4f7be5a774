using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes the selective scan of Mamba-1.</summary>
    /// <param name="inputs">What is scanned.</param>
    /// <param name="segments">Packed sequences; null where every row of the batch is one sequence.</param>
    /// <returns>
    /// y, in the shape of x, and h after the last token of every sequence: [sequences, states, channels], with complex
    /// A [sequences, 2, states, channels]. A sequence without tokens ends in its initial state.
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>
    /// Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, Algorithm 2. The backward pass recomputes the states
    /// from those kept at every chunk of tokens; nothing of [batch, length, channels, states] exists.
    /// </remarks>
    public static (DeviceArray Y, DeviceArray FinalState) SelectiveScan(in ScanInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        ScanSizes sizes = new(inputs, segments);
        bool follows = Tape.Follows(
            inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C,
            inputs.D, inputs.Z, inputs.DeltaBias, inputs.InitialState);
        DeviceArray y = device.AllocateOutput(inputs.X.Shape, inputs.X.Precision);
        DeviceArray finalState = device.AllocateOutput(sizes.StateShape);
        DeviceArray checkpoints =
            follows ? device.AllocateOutput(sizes.CheckpointShape(device.ScanChunkLength)) : default;
        device.SelectiveScan(inputs, segments, y, finalState, checkpoints);
        if (follows)
        {
            RecordSelectiveScan(device.Tape!, inputs, segments, y, finalState, checkpoints);
        }

        return (y, finalState);
    }

    /// <summary>Computes one token of the selective scan and advances the state in place.</summary>
    /// <param name="inputs">
    /// Rows of one token: x, Δ, z of [batch, channels] or [batch, 1, channels], B and C likewise; no initial state.
    /// </param>
    /// <param name="state">
    /// h, read and written: [batch, states, channels]; with complex A [batch, 2, states, channels].
    /// </param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or holds another initial state.</exception>
    /// <exception cref="InvalidOperationException">A tape follows an input: a step has no backward pass.</exception>
    public static DeviceArray SelectiveScanStep(in ScanInputs inputs, DeviceArray state)
    {
        Device device = Require(inputs.X);
        Require(state);
        if (inputs.InitialState.Exists)
        {
            throw new ArgumentException($"A step starts from its state {state.Shape}; found an initial state, too.");
        }

        if (Tape.Follows(
            inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.D, inputs.Z, inputs.DeltaBias, state))
        {
            throw new InvalidOperationException("A step has no backward pass; scan a sequence of length 1 instead.");
        }

        DeviceArray y = device.AllocateOutput(inputs.X.Shape, inputs.X.Precision);
        device.SelectiveScanStep(inputs, state, y);
        return y;
    }

    private static void RecordSelectiveScan(
        Tape tape,
        ScanInputs inputs,
        Segments? segments,
        DeviceArray y,
        DeviceArray finalState,
        DeviceArray checkpoints) =>
        tape.Record(
            [y, finalState],
            () => y.Device.SelectiveScanBackward(
                inputs,
                segments,
                checkpoints,
                y.Gradient,
                finalState.Gradient,
                new()
                {
                    X = tape.Wanted(inputs.X),
                    Delta = tape.Wanted(inputs.Delta),
                    A = tape.Wanted(inputs.A),
                    B = tape.Wanted(inputs.B),
                    C = tape.Wanted(inputs.C),
                    D = tape.Wanted(inputs.D),
                    Z = tape.Wanted(inputs.Z),
                    DeltaBias = tape.Wanted(inputs.DeltaBias),
                    InitialState = tape.Wanted(inputs.InitialState),
                }));
}
