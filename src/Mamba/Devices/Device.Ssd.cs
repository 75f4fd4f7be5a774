namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Shape of what <see cref="Ssd"/> keeps for its backward pass.</summary>
    internal abstract Shape SsdCheckpointShape(in SsdInputs inputs, Segments? segments);

    /// <summary>The state-space dual of Mamba-2 over every sequence.</summary>
    /// <param name="inputs">What is computed from.</param>
    /// <param name="segments">Packed sequences; null where the rows of the batch are the sequences.</param>
    /// <param name="y">Becomes the output, in the shape of x.</param>
    /// <param name="finalState">Becomes h after the last token; may be the initial state itself; optional.</param>
    /// <param name="checkpoints">
    /// Becomes the states that the backward pass starts from, <see cref="SsdCheckpointShape"/>; optional.
    /// </param>
    internal abstract void Ssd(
        in SsdInputs inputs, Segments? segments, DeviceArray y, DeviceArray finalState, DeviceArray checkpoints);

    /// <summary>Adds the gradients of an SSD.</summary>
    /// <param name="inputs">What was computed from.</param>
    /// <param name="segments">The segments of the forward pass.</param>
    /// <param name="checkpoints">What the forward pass kept.</param>
    /// <param name="gy">The gradient of y; optional.</param>
    /// <param name="gFinalState">The gradient of the final state; optional.</param>
    /// <param name="gradients">What is added to.</param>
    internal abstract void SsdBackward(
        in SsdInputs inputs,
        Segments? segments,
        DeviceArray checkpoints,
        DeviceArray gy,
        DeviceArray gFinalState,
        in SsdGradients gradients);

    /// <summary>One token of every sequence: an SSD of length 1, to the bit.</summary>
    /// <param name="inputs">
    /// Rows of one token, [batch, channels] or [batch, 1, channels]; without an initial state.
    /// </param>
    /// <param name="state">h, read and written: [batch, heads, headDim, states].</param>
    /// <param name="y">Becomes the output, in the shape of x.</param>
    internal void SsdStep(in SsdInputs inputs, DeviceArray state, DeviceArray y) =>
        Ssd(
            inputs with
            {
                X = AsToken(inputs.X),
                Delta = AsToken(inputs.Delta),
                B = AsToken(inputs.B),
                C = AsToken(inputs.C),
                Z = inputs.Z.Exists ? AsToken(inputs.Z) : default,
                InitialState = state,
                ChunkLength = 0,
            },
            segments: null,
            AsToken(y),
            state,
            checkpoints: default);
}
