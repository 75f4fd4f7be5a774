using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>The state-space dual of Mamba-2 over every sequence.</summary>
    /// <param name="inputs">What is computed from.</param>
    /// <param name="segments">Packed sequences; null where the rows of the batch are the sequences.</param>
    /// <returns>
    /// The output, in the shape of x, and the states after the last tokens, [sequences, heads, headDim, states].
    /// </returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 6.</remarks>
    public static (DeviceArray Y, DeviceArray FinalState) Ssd(in SsdInputs inputs, Segments? segments = null)
    {
        Device device = Require(inputs.X);
        SsdSizes sizes = new(inputs, segments);
        bool follows = Follows(inputs);
        DeviceArray y = device.AllocateOutput(inputs.X.Shape, inputs.X.Precision);
        DeviceArray finalState = device.AllocateOutput(sizes.StateShape);
        if (!follows)
        {
            device.Ssd(inputs, segments, y, finalState, checkpoints: default);
            return (y, finalState);
        }

        DeviceArray checkpoints = device.AllocateOutput(device.SsdCheckpointShape(inputs, segments));
        device.Ssd(inputs, segments, y, finalState, checkpoints);
        RecordSsd(device.Tape!, inputs, segments, checkpoints, y, finalState);
        return (y, finalState);
    }

    /// <summary>
    /// Computes one token of every sequence, as <see cref="Ssd"/> does, and advances the state in place.
    /// </summary>
    /// <param name="inputs">
    /// Rows of one token: x, Δ, z of [batch, channels] or [batch, 1, channels], B and C likewise; no initial state.
    /// </param>
    /// <param name="state">h, read and written: [batch, heads, headDim, states].</param>
    /// <returns>The output, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape, or holds another initial state.</exception>
    /// <exception cref="InvalidOperationException">A tape follows an input: a step has no backward pass.</exception>
    public static DeviceArray SsdStep(in SsdInputs inputs, DeviceArray state)
    {
        Device device = Require(inputs.X);
        Require(state);
        if (inputs.InitialState.Exists)
        {
            throw new ArgumentException($"A step starts from its state {state.Shape}; found an initial state, too.");
        }

        if (Follows(inputs with { InitialState = state }))
        {
            throw new InvalidOperationException(
                "A step has no backward pass; use Ssd for a sequence of length 1 instead.");
        }

        DeviceArray y = device.AllocateOutput(inputs.X.Shape, inputs.X.Precision);
        device.SsdStep(inputs, state, y);
        return y;
    }

    private static bool Follows(in SsdInputs inputs) =>
        Tape.Follows(
            inputs.X,
            inputs.Delta,
            inputs.A,
            inputs.B,
            inputs.C,
            inputs.D,
            inputs.Z,
            inputs.DeltaBias,
            inputs.InitialState);

    private static void RecordSsd(
        Tape tape,
        SsdInputs inputs,
        Segments? segments,
        DeviceArray checkpoints,
        DeviceArray y,
        DeviceArray finalState) =>
        tape.Record(
            [y, finalState],
            () => inputs.X.Device.SsdBackward(
                inputs,
                segments,
                checkpoints,
                y.Gradient,
                finalState.Gradient,
                new SsdGradients
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
