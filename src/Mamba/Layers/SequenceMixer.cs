using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A layer that mixes tokens along time. One contract for all: a sequence at once or in pieces, or a token at a time,
/// with the same result.
/// </summary>
/// <remarks>
/// A mixer of your own keeps this contract: a sequence at once, in pieces, or token by token gives the same output, and
/// a call that fails leaves the state as it was. So Forward begins with a <see cref="StateUse"/> and
/// <see cref="Require"/>, reads the state, computes, and moves the state on at the very end. A step is Forward of one
/// token unless it is overridden. What needs the whole sequence derives from <see cref="BidirectionalMixer"/>.
/// </remarks>
/// <example>
/// <code>
/// SequenceMixer[] mixers =
/// [
///     new MambaMixer(device, new() { ModelDim = 64 }, random),
///     new Mamba2Mixer(device, new() { ModelDim = 64, HeadDim = 16 }, random),
/// ];
/// DeviceArray h = x;
/// foreach (SequenceMixer each in mixers)
/// {
///     h = each.Forward(h);
/// }
/// </code>
/// </example>
public abstract class SequenceMixer : Module, ILayer
{
    /// <summary>Makes a mixer.</summary>
    /// <param name="device">Device that holds the parameters.</param>
    protected SequenceMixer(Device device)
        : base(device)
    {
    }

    /// <summary>Which steps find all their memory in the pool.</summary>
    internal WarmBatches Warm { get; } = new();

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
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape, or the state's number of sequences, does not fit.</exception>
    public abstract DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null);

    /// <summary>Mixes whole sequences that begin here, and whose end is not kept.</summary>
    DeviceArray ILayer.Forward(DeviceArray x) => Forward(x);

    /// <summary>Mixes the next token of every sequence.</summary>
    /// <param name="x">Shape [batch, 1, modelDim].</param>
    /// <param name="state">What came before; read and updated.</param>
    /// <param name="slots">
    /// Which sequences of the state x has a token of, if the state is a pool of more; null: all, in their order.
    /// </param>
    /// <returns>Shape [batch, 1, modelDim].</returns>
    /// <exception cref="ArgumentException">
    /// A shape, the state's number of sequences, or a slot does not fit.
    /// </exception>
    /// <exception cref="InvalidOperationException">A tape records a step over slots, which has no gradient.</exception>
    /// <remarks>
    /// It is <see cref="Forward"/> of one token, unless a mixer overrides it with a step that updates its state in
    /// place, guarded by a <see cref="StepGuard"/>, and allocates nothing. Under a tape
    /// (<see cref="Module.IsRecording"/>) such a step calls Forward. A mixer that knows nothing of slots hands them to
    /// this method, which copies those sequences to a state of their own, steps, and copies them back.
    /// </remarks>
    public virtual DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        return slots is null ? Forward(x, state) : StepOverCopies(x, state, slots);
    }

    /// <summary>The options, after they have been validated; for a constructor.</summary>
    /// <typeparam name="TOptions">Kind of options.</typeparam>
    /// <param name="options">The options.</param>
    /// <returns>The same.</returns>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    protected static TOptions Valid<TOptions>(TOptions options)
        where TOptions : MixerOptions
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return options;
    }

    /// <summary>Whether a state, which lives, is of this layer or of one of equal sizes on the same device.</summary>
    /// <param name="state">The state.</param>
    /// <returns>Whether this mixer can use it.</returns>
    public abstract bool Fits(LayerState state);

    /// <summary>
    /// Throws unless an input has three axes and a width, and a state, if any, fits the layer and the input.
    /// </summary>
    /// <param name="x">The input, shape [batch, length, width].</param>
    /// <param name="width">The width that the mixer takes.</param>
    /// <param name="state">The state; null: there is none to check.</param>
    /// <param name="segments">Packed sequences, a state's sequence each; null: one sequence a row.</param>
    /// <param name="slots">Which sequences of the state the rows are; null: all, in their order.</param>
    /// <exception cref="ArgumentException">The input, the state or a slot does not fit.</exception>
    protected void Require(
        DeviceArray x, int width, LayerState? state, Segments? segments, StateSlots? slots = null)
    {
        DeviceArray.Require(nameof(x), x);
        if (x.Shape.Rank != 3 || x.Shape.Width != width)
        {
            throw new ArgumentException($"Expected x of shape [batch, length, {width}]; found {x.Shape}.", nameof(x));
        }

        if (state is null)
        {
            return;
        }

        state.RequireUsable();
        if (!Fits(state))
        {
            string shapes = string.Join(", ", state.Arrays.Select(array => array.Shape));
            throw new ArgumentException(
                $"The state is of another layer or device than this {GetType().Name}: a {state.GetType().Name} of " +
                $"{shapes} on \"{state.Device}\". Make it with CreateState of this layer.",
                nameof(state));
        }

        int sequences = segments?.Count ?? x.Shape[0];
        slots?.RequireFit(sequences, state.Batch);
        if (slots is null && state.Batch != sequences)
        {
            throw new ArgumentException(
                $"The state holds {state.Batch} sequences; the input has {sequences}.", nameof(state));
        }

        state.BeginWith(this);
    }

    /// <summary>Throws if a tape records: what a step over slots overwrites has no gradient.</summary>
    private protected static void RequireNoSlots(StateSlots? slots)
    {
        if (slots is not null)
        {
            throw new InvalidOperationException(
                "A step over slots overwrites them and has no gradient. Suspend the tape, or copy the sequences to a " +
                "state of their own and call Forward.");
        }
    }

    private DeviceArray StepOverCopies(DeviceArray x, LayerState state, StateSlots slots)
    {
        using StateUse use = new(state);
        state.RequireUsable();
        slots.RequireFit(x.Shape[0], state.Batch);
        if (IsRecording)
        {
            RequireNoSlots(slots);
        }

        if (state.HoldsTokens && !state.HasLengths)
        {
            throw new NotSupportedException(
                $"A step over slots needs sequences of any length; those of a {state.GetType().Name} have one length.");
        }

        using LayerState copies = state.Clone(slots);
        DeviceArray y = Step(x, copies);
        for (int i = 0; i < slots.Count; i++)
        {
            state.ReserveFor(copies, i); // all that may fail comes first
        }

        for (int i = 0; i < slots.Count; i++)
        {
            state.CopySlot(slots.Rows[i], copies, i);
        }

        return y;
    }
}
