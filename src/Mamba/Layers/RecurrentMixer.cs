using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Layers;

/// <summary>
/// Base class of the Mamba mixers and S4D: two projections, with a causal convolution and a state-space core between
/// them, and their state. A derived mixer adds its parameters and the scan.
/// </summary>
/// <example>
/// <code>
/// Parameter initial = mixer.LearnInitialState(); // trained like every other parameter
/// </code>
/// </example>
public abstract class RecurrentMixer : SequenceMixer
{
    private readonly Shape _hidden;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="convolution">The convolution; null: it is shared with <paramref name="core"/>.</param>
    /// <param name="hidden">Shape of h for one sequence.</param>
    /// <param name="learnsInitialState">Whether h before the first token is learned.</param>
    /// <param name="random">Random source of the initial weights.</param>
    /// <param name="core">The mixer that shares its convolution and initial state; null: this one has its own.</param>
    private protected RecurrentMixer(
        Device device,
        DepthwiseConvolution? convolution,
        Shape hidden,
        bool learnsInitialState,
        Random? random,
        RecurrentMixer? core)
        : base(device)
    {
        _hidden = hidden;
        Convolution = core?.Convolution ?? AddModule("convolution", convolution!);
        InitialState = core is not null ? core.InitialState
            : learnsInitialState ? AddParameter("initial_state", hidden, Initial.Constant(random, 0f))
            : null;
    }

    /// <summary>Projects the input to the operands of the core, concatenated.</summary>
    public abstract Linear InProjection { get; }

    /// <summary>Projection back to the model's width.</summary>
    public abstract Linear OutProjection { get; }

    /// <summary>The causal convolution: over x; in Mamba-2, over x, B and C.</summary>
    public DepthwiseConvolution Convolution { get; }

    /// <summary>
    /// The learned h before the first token, of the shape of one sequence's h; null: h starts at zero.
    /// </summary>
    public Parameter? InitialState { get; private set; }

    /// <summary>Shape of h for one sequence.</summary>
    internal Shape HiddenShape => _hidden;

    /// <summary>Width of the core's output.</summary>
    internal virtual int CoreDim => OutProjection.Weight.Value.Shape[1];

    /// <summary>
    /// Makes the initial state trainable. If the mixer has none, a new one starts at zero, which leaves the output
    /// unchanged.
    /// </summary>
    /// <returns>The initial state.</returns>
    public Parameter LearnInitialState()
    {
        InitialState ??= AddParameter("initial_state", _hidden, values => values.Clear());
        InitialState.IsTrainable = true;
        return InitialState;
    }

    /// <summary>Frees the initial state, if any; h then starts at zero.</summary>
    internal void ForgetInitialState()
    {
        if (InitialState is not null)
        {
            RemoveParameter(InitialState);
            InitialState = null;
        }
    }

    /// <inheritdoc/>
    public override LayerState CreateState(int batch)
    {
        MixerState state = new(this, batch);
        try
        {
            state.Refresh();
            return state;
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, ModelDim, state, segments);
        DeviceArray projected = InProjection.Forward(x);
        (DeviceArray mixed, DeviceArray window, DeviceArray hidden) = Mix(Split(projected), state, segments);
        DeviceArray y = OutProjection.Forward(Finish(mixed, projected));
        ((MixerState?)state)?.Advance(window, hidden);
        return y;
    }

    /// <inheritdoc/>
    public sealed override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        if (IsRecording)
        {
            RequireNoSlots(slots);
            return Forward(x, state);
        }

        ArgumentNullException.ThrowIfNull(state);
        using StateUse use = new(state);
        Require(x, ModelDim, state, null, slots);
        MixerState own = (MixerState)state;
        using StepGuard guard = new(this, own, slots);
        return guard.Done(OutProjection.Forward(StepCore(InProjection.Forward(x), own, slots)));
    }

    /// <summary>
    /// Whether nothing computes between the input projection and the convolution, so that a step's norm, projection and
    /// convolution can be one operation of the device.
    /// </summary>
    internal virtual bool StepsFromStream => InProjection.Adapter is null;

    /// <summary>A step from the residual stream, with the norm before the mixer.</summary>
    /// <param name="h">The residual stream, shape [batch, 1, modelDim].</param>
    /// <param name="norm">The norm.</param>
    /// <param name="state">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <param name="slots">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <returns>The mixer's output, and the stream as one array.</returns>
    internal (DeviceArray Y, DeviceArray Sum) Step(
        ResidualStream h, RmsNorm norm, LayerState state, StateSlots? slots)
    {
        ArgumentNullException.ThrowIfNull(state);
        using StateUse use = new(state);
        Require(h.Residual, ModelDim, state, null, slots);
        MixerState own = (MixerState)state;
        using StepGuard guard = new(this, own, slots);
        NormOperation normed = norm.OperationOn(h);
        LinearOperation projection = InProjection.OperationOn(normed.Y, Optional(InProjection.Bias));
        Operands operands = Split(projection.Y);
        ConvolutionOperation convolution = new ConvolutionOperation
        {
            X = operands.X,
            Weight = Convolution.Weight.Value,
            Bias = Optional(Convolution.Bias),
            Silu = true,
            IsCausal = true,
            InitialWindow = own.WindowInPlace,
            Slots = slots,
            FinalWindow = own.WindowInPlace,
        }.Prepare(Device, keep: false);
        Device.StepInput(normed, projection, convolution);
        DeviceArray y = StepFrom(operands with { X = convolution.Y }, projection.Y, own, slots);
        return (guard.Done(OutProjection.Forward(y)), normed.Normalized);
    }

    /// <inheritdoc/>
    internal sealed override DeviceArray StepEach(DeviceArray x, LayerState state, Action<int> after)
    {
        using StateUse use = new(state);
        MixerState own = (MixerState)state;
        DeviceArray projected = InProjection.Forward(x);
        DeviceArray[] mixed = new DeviceArray[x.Shape[0]];
        for (int t = 0; t < mixed.Length; t++)
        {
            using (StepGuard guard = new(this, own))
            {
                mixed[t] = guard.Done(StepCore(Functions.Slice(projected, 0, t, 1), own, null));
            }

            after(t);
        }

        return OutProjection.Forward(Functions.Concat(0, mixed));
    }

    /// <summary>The step between the projections.</summary>
    private DeviceArray StepCore(DeviceArray projected, MixerState state, StateSlots? slots)
    {
        Operands operands = Split(projected);
        DeviceArray convolved = Functions.CausalConvolutionStep(
            operands.X, Convolution.Weight.Value, Optional(Convolution.Bias), silu: true, state.WindowInPlace, slots);
        return StepFrom(operands with { X = convolved }, projected, state, slots);
    }

    /// <summary>The step between the convolution and the output projection.</summary>
    private DeviceArray StepFrom(in Operands operands, DeviceArray projected, MixerState state, StateSlots? slots) =>
        Finish(ScanStep(operands, state.HiddenInPlace(slots), slots), projected);

    /// <inheritdoc/>
    public override bool Fits(LayerState state) => state is MixerState own && own.Fits(this);

    /// <summary>
    /// Makes a mixer that shares this one's projections and norm. It has its own core; with
    /// <see cref="DirectionTying.AllButA"/> only its own A.
    /// </summary>
    /// <param name="tying">What the two mixers share.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <returns>The mixer; its parameters are the ones it does not share.</returns>
    internal abstract RecurrentMixer CreateSibling(DirectionTying tying, Random? random);

    /// <summary>Applies convolution and core to whole sequences in another order, without gate and norm.</summary>
    /// <param name="order">The order in which the core scans the tokens.</param>
    /// <param name="projected">The output of the input projection, tokens in original order.</param>
    /// <param name="segments">Packed sequences, or null.</param>
    /// <returns>The core's output, tokens in original order: [batch, length, <see cref="CoreDim"/>].</returns>
    internal DeviceArray MixIn(ScanOrder order, DeviceArray projected, Segments? segments)
    {
        Operands operands = Split(projected) with { Z = default };
        if (order.IsPermutation)
        {
            return Mix(operands, null, segments, order).Y;
        }

        // The convolution also reads padding, so tokens are reordered before it.
        Operands read = operands with
        {
            X = Functions.Reorder(operands.X, order, segments),
            Delta = operands.Delta.Exists ? Functions.Reorder(operands.Delta, order, segments) : default,
        };
        return Functions.Restore(Mix(read, null, segments).Y, order, segments);
    }

    /// <summary>Applies gate and norm to the output of a core that applied neither.</summary>
    internal DeviceArray GateAndNorm(DeviceArray y, DeviceArray projected)
    {
        DeviceArray z = Split(projected).Z;
        return Finish(z.Exists ? Functions.Gate(y, z) : y, projected);
    }

    /// <summary>Splits the input projection's output into x, and z if there is a gate.</summary>
    private protected virtual Operands Split(DeviceArray projected)
    {
        int inner = Convolution.Channels;
        return new(projected.Slice(0, inner), projected.Shape.Width > inner ? projected.Slice(inner, inner) : default);
    }

    /// <summary>The core over whole sequences.</summary>
    /// <param name="operands">The operands, x after the convolution.</param>
    /// <param name="hidden">h before the first token; <c>default</c>: zero.</param>
    /// <param name="segments">Packed sequences, or null.</param>
    /// <param name="order">The order in which the core scans the tokens, a permutation; null: as stored.</param>
    /// <returns>The output, and h after the last token.</returns>
    private protected abstract (DeviceArray Y, DeviceArray Hidden) Scan(
        in Operands operands, DeviceArray hidden, Segments? segments, ScanOrder? order);

    /// <summary>The core for one token of each sequence.</summary>
    /// <param name="operands">The operands, x after the convolution.</param>
    /// <param name="hidden">h before the token; replaced by h after it.</param>
    /// <param name="slots">The rows of h that belong to the sequences; null: all, in order.</param>
    private protected abstract DeviceArray ScanStep(in Operands operands, DeviceArray hidden, StateSlots? slots);

    /// <summary>The operations between the core and the output projection.</summary>
    private protected virtual DeviceArray Finish(DeviceArray y, DeviceArray projected) => y;

    /// <summary>The mixer without its projections.</summary>
    private protected DeviceArray Core(in Operands operands, LayerState? state, Segments? segments)
    {
        using StateUse use = new(state);
        Require(operands.X, Convolution.Channels, state, segments);
        (DeviceArray y, DeviceArray window, DeviceArray hidden) = Mix(operands, state, segments);
        ((MixerState?)state)?.Advance(window, hidden);
        return y;
    }

    private int ModelDim => InProjection.Weight.Value.Shape[1];

    /// <summary>Convolution and core, without updating the state.</summary>
    private (DeviceArray Y, DeviceArray Window, DeviceArray Hidden) Mix(
        in Operands operands, LayerState? state, Segments? segments, ScanOrder? order = null)
    {
        MixerState? own = (MixerState?)state;
        (DeviceArray convolved, DeviceArray window) = Functions.CausalConvolution(
            operands.X,
            Convolution.Weight.Value,
            Optional(Convolution.Bias),
            silu: true,
            own?.Window ?? default,
            segments,
            order);
        DeviceArray before = own is not null ? own.HiddenBefore()
            : InitialState is not null
                ? Functions.Repeat(InitialState.Value, segments?.Count ?? operands.X.Shape[0])
                : default;
        (DeviceArray y, DeviceArray hidden) = Scan(operands with { X = convolved }, before, segments, order);
        return (y, window, hidden);
    }

    /// <summary>Columns of the input projection's output.</summary>
    /// <param name="X">The input of the convolution, then its output; in Mamba-2 x, B and C concatenated.</param>
    /// <param name="Z">The gate of the core; <c>default</c> if absent.</param>
    /// <param name="Delta">Δ in Mamba-2, before bias and softplus.</param>
    private protected readonly record struct Operands(DeviceArray X, DeviceArray Z, DeviceArray Delta = default);
}
