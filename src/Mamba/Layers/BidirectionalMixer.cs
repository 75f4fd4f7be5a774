using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A mixer whose output depends on past and future tokens. It needs the whole sequence, so it has neither a state nor a
/// step.
/// </summary>
/// <remarks>
/// It can be used wherever a mixer can, and trains like any other. Code that reads a sequence in pieces or token by
/// token, such as generation, throws and names this mixer.
/// </remarks>
public abstract class BidirectionalMixer : SequenceMixer
{
    /// <summary>Makes a mixer.</summary>
    /// <param name="device">Device that holds the parameters.</param>
    protected BidirectionalMixer(Device device)
        : base(device)
    {
    }

    /// <summary>Always throws: a state cannot hold future tokens.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>Never returns.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override LayerState CreateState(int batch) => throw NeedsAll();

    /// <summary>Mixes whole sequences.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="state">Must be null.</param>
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="NotSupportedException"><paramref name="state"/> is not null.</exception>
    public sealed override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null) =>
        state is null ? Mix(x, segments) : throw NeedsAll();

    /// <summary>Always throws: a step would need future tokens.</summary>
    /// <param name="x">The next tokens.</param>
    /// <param name="state">The state.</param>
    /// <param name="slots">Slots of the state.</param>
    /// <returns>Never returns.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null) =>
        throw NeedsAll();

    /// <summary>Always false: this mixer has no state.</summary>
    /// <param name="state">The state.</param>
    /// <returns>False.</returns>
    public sealed override bool Fits(LayerState state) => false;

    /// <summary>Mixes whole sequences.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    protected abstract DeviceArray Mix(DeviceArray x, Segments? segments);

    private NotSupportedException NeedsAll() => new(
        $"{GetType().Name} looks both ways and needs the whole sequence: it has no state and no step. Call Forward " +
        "without a state.");
}
