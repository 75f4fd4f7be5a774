using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>
/// A layer that mixes tokens along time. One contract for all: a sequence at once or in pieces, or a token at a time,
/// with the same result.
/// </summary>
public abstract class SequenceMixer : Module
{
    private protected SequenceMixer(Device device)
        : base(device)
    {
    }

    /// <summary>Makes the state of sequences that have not begun.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public abstract LayerState CreateState(int batch);

    /// <summary>Mixes whole sequences, or the next piece of each.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="state">
    /// What came before; read, and left as it is after the last token. One sequence for each row of the batch, or for
    /// each segment. Null: the sequences begin here and their end is not kept.
    /// </param>
    /// <param name="segments">Packed sequences, which never see each other; null: one sequence a row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape, or the state's number of sequences, does not fit.</exception>
    public abstract DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null);

    /// <summary>Mixes the next token of every sequence.</summary>
    /// <param name="x">Shape [batch, 1, modelDim].</param>
    /// <param name="state">What came before; read and updated.</param>
    /// <returns>Shape [batch, 1, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape, or the state's number of sequences, does not fit.</exception>
    public abstract DeviceArray Step(DeviceArray x, LayerState state);

    /// <summary>The options, after they have been validated.</summary>
    private protected static TOptions Valid<TOptions>(TOptions options)
        where TOptions : MixerOptions
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return options;
    }

    /// <summary>Throws unless a state is of the layer's kind and has as many sequences as the input.</summary>
    private protected static TState? Require<TState>(LayerState? state, DeviceArray x, Segments? segments)
        where TState : LayerState
    {
        if (state is null)
        {
            return null;
        }

        if (state is not TState own)
        {
            throw new ArgumentException($"Expected a {typeof(TState).Name}; found a {state.GetType().Name}.");
        }

        int sequences = segments?.Count ?? x.Shape[0];
        return state.Batch == sequences
            ? own
            : throw new ArgumentException($"The state holds {state.Batch} sequences; the input has {sequences}.");
    }
}
