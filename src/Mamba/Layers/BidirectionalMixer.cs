using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A mixer that looks both ways along time: it needs the whole sequence, and so has neither a state nor a step.
/// </summary>
/// <remarks>
/// It stands wherever a mixer does, and is trained as any other. What reads a sequence in pieces or token by token,
/// such as generation, is refused by name.
/// </remarks>
public abstract class BidirectionalMixer : SequenceMixer
{
    /// <summary>Makes a mixer.</summary>
    /// <param name="device">Where its parameters live.</param>
    protected BidirectionalMixer(Device device)
        : base(device)
    {
    }

    /// <summary>Refuses: a state cannot hold tokens that are still to come.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>Nothing.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override LayerState CreateState(int batch) => throw NeedsAll();

    /// <summary>Mixes whole sequences.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="state">Null.</param>
    /// <param name="segments">Packed sequences, which never see each other; null: one sequence a row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="NotSupportedException">There is a state.</exception>
    public sealed override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null) =>
        state is null ? Mix(x, segments) : throw NeedsAll();

    /// <summary>Refuses: a step would need the tokens that are still to come.</summary>
    /// <param name="x">The next tokens.</param>
    /// <param name="state">What came before.</param>
    /// <param name="slots">Which sequences.</param>
    /// <returns>Nothing.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null) =>
        throw NeedsAll();

    /// <summary>Whether a state is of this layer: none is.</summary>
    /// <param name="state">The state.</param>
    /// <returns>False.</returns>
    public sealed override bool Fits(LayerState state) => false;

    /// <summary>Mixes whole sequences.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="segments">Packed sequences, which never see each other; null: one sequence a row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    protected abstract DeviceArray Mix(DeviceArray x, Segments? segments);

    private NotSupportedException NeedsAll() => new(
        $"{GetType().Name} looks both ways and needs the whole sequence: it has no state and no step. Call Forward " +
        "without a state.");
}
