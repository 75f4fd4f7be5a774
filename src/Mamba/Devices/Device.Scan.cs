namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Tokens from one state that is kept for the backward pass of a scan to the next.</summary>
    internal abstract int ScanChunkLength { get; }

    /// <summary>The selective scan of Mamba-1 over every sequence.</summary>
    /// <param name="inputs">What is scanned.</param>
    /// <param name="segments">Packed sequences; null where the rows of the batch are the sequences.</param>
    /// <param name="y">Becomes the output, in the shape of x.</param>
    /// <param name="finalState">Becomes h after the last token; may be the initial state itself.</param>
    /// <param name="checkpoints">
    /// Becomes the states that the backward pass starts from, <see cref="ScanSizes.CheckpointShape"/>; optional.
    /// </param>
    internal abstract void SelectiveScan(
        in ScanInputs inputs, Segments? segments, DeviceArray y, DeviceArray finalState, DeviceArray checkpoints);

    /// <summary>Adds the gradients of a scan.</summary>
    /// <param name="inputs">What was scanned.</param>
    /// <param name="segments">The segments that were scanned.</param>
    /// <param name="checkpoints">What the forward pass kept.</param>
    /// <param name="gy">The gradient of y; optional.</param>
    /// <param name="gFinalState">The gradient of the final state; optional.</param>
    /// <param name="gradients">What is added to.</param>
    internal abstract void SelectiveScanBackward(
        in ScanInputs inputs,
        Segments? segments,
        DeviceArray checkpoints,
        DeviceArray gy,
        DeviceArray gFinalState,
        in ScanGradients gradients);

    /// <summary>One token of every sequence: a scan of length 1, to the bit.</summary>
    /// <param name="inputs">Rows of one token: [batch, channels] or [batch, 1, channels]; B and C likewise.</param>
    /// <param name="state">
    /// h, read and written: [batch, states, channels]; complex: [batch, 2, states, channels].
    /// </param>
    /// <param name="y">Becomes the output, in the shape of x.</param>
    internal void SelectiveScanStep(in ScanInputs inputs, DeviceArray state, DeviceArray y) =>
        SelectiveScan(
            inputs with
            {
                X = AsToken(inputs.X),
                Delta = AsToken(inputs.Delta),
                B = inputs.HasConstantB ? inputs.B : AsToken(inputs.B),
                C = inputs.HasConstantC ? inputs.C : AsToken(inputs.C),
                Z = inputs.Z.Exists ? AsToken(inputs.Z) : default,
                InitialState = state,
            },
            segments: null,
            AsToken(y),
            state,
            checkpoints: default);

    private static DeviceArray AsToken(DeviceArray rows) =>
        rows.Shape.Rank == 2 ? rows.Reshape([rows.Shape[0], 1, rows.Shape.Width]) : rows;
}
