using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A layer that mixes tokens along time. It processes a whole sequence, a sequence in pieces, or one token at a time,
/// with the same result.
/// </summary>
/// <remarks>
/// A mixer of your own must follow two rules. A sequence at once, in pieces, or token by token gives the same output,
/// and a call that fails leaves the state unchanged. So Forward begins with a <see cref="StateUse"/> and
/// <see cref="Require"/>, reads the state, computes, and updates the state last. Step calls Forward with one token
/// unless overridden. A mixer that needs the whole sequence derives from <see cref="BidirectionalMixer"/>.
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

    /// <summary>The batch sizes whose steps find all memory in the pool.</summary>
    internal WarmBatches Warm { get; } = new();

    /// <summary>Makes a state for new sequences.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public abstract LayerState CreateState(int batch);

    /// <summary>Mixes whole sequences, or the next piece of each.</summary>
    /// <param name="x">Shape [batch, length, modelDim].</param>
    /// <param name="state">
    /// The state of the earlier tokens, one sequence per row of the batch or per segment. The call reads it and updates
    /// it to the last token. Null: the sequences begin here, and their final state is discarded.
    /// </param>
    /// <param name="segments">Packed sequences, which stay independent; null: one sequence per row.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape or the state's batch does not fit.</exception>
    public abstract DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null);

    /// <summary>Mixes whole sequences without a state.</summary>
    DeviceArray ILayer.Forward(DeviceArray x) => Forward(x);

    /// <summary>Mixes the next token of every sequence.</summary>
    /// <param name="x">Shape [batch, 1, modelDim].</param>
    /// <param name="state">The state of the earlier tokens; updated.</param>
    /// <param name="slots">
    /// The sequences of the state that the rows of x belong to, if the state is a pool of more sequences; null: all, in
    /// order.
    /// </param>
    /// <returns>Shape [batch, 1, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape, the state's batch, or a slot does not fit.</exception>
    /// <exception cref="InvalidOperationException">
    /// A tape is recording, and a step over slots has no gradient.
    /// </exception>
    /// <remarks>
    /// By default it calls <see cref="Forward"/> with one token. An override updates the state in place under a
    /// <see cref="StepGuard"/> and allocates nothing; under a tape (<see cref="Module.IsRecording"/>) it calls Forward.
    /// An override without support for slots calls this method with them. It copies those sequences to a state of their
    /// own, steps, and copies them back.
    /// </remarks>
    public virtual DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        return slots is null ? Forward(x, state) : StepOverCopies(x, state, slots);
    }

    /// <summary>
    /// Mixes tokens of one sequence one after the other, to the bits of <see cref="Step"/>. What is not recurrent is
    /// computed for all of them at once, as for the texts of a batch.
    /// </summary>
    /// <param name="x">Shape [tokens, 1, modelDim].</param>
    /// <param name="state">The state of one sequence; updated. If the call fails, it is lost.</param>
    /// <param name="after">Is called after each token's step, with its number.</param>
    /// <returns>Shape [tokens, 1, modelDim].</returns>
    internal virtual DeviceArray StepEach(DeviceArray x, LayerState state, Action<int> after)
    {
        DeviceArray[] y = new DeviceArray[x.Shape[0]];
        for (int t = 0; t < y.Length; t++)
        {
            y[t] = Step(Functions.Slice(x, 0, t, 1), state);
            after(t);
        }

        return Functions.Concat(0, y);
    }

    /// <summary>Validates options and returns them; for use in a constructor.</summary>
    /// <typeparam name="TOptions">Type of the options.</typeparam>
    /// <param name="options">The options.</param>
    /// <returns>The same options.</returns>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    protected static TOptions Valid<TOptions>(TOptions options)
        where TOptions : MixerOptions
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return options;
    }

    /// <summary>
    /// Whether this mixer can use a state: it must come from this layer, or from one of equal sizes on the same device.
    /// </summary>
    /// <param name="state">A state that is not disposed.</param>
    /// <returns>Whether this mixer can use it.</returns>
    public abstract bool Fits(LayerState state);

    /// <summary>
    /// Throws unless an input has three axes and the given width, and the state, if any, fits the layer and the input.
    /// </summary>
    /// <param name="x">The input, shape [batch, length, width].</param>
    /// <param name="width">The mixer's width.</param>
    /// <param name="state">The state; null skips its check.</param>
    /// <param name="segments">Packed sequences, one sequence of the state each; null: one sequence per row.</param>
    /// <param name="slots">The sequences of the state that the rows belong to; null: all, in order.</param>
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

    /// <summary>Throws if slots are given while a tape records, because a step over slots has no gradient.</summary>
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
            state.ReserveFor(copies, i); // everything that may fail comes first
        }

        for (int i = 0; i < slots.Count; i++)
        {
            state.CopySlot(slots.Rows[i], copies, i);
        }

        return y;
    }
}
