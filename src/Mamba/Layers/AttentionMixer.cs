using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// Attention with grouped key/value heads and rotary positions: causal, over a sliding window, or bidirectional. For
/// models that combine it with Mamba layers.
/// </summary>
/// <remarks>
/// Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>. Its state grows with the number of tokens.
/// </remarks>
/// <example>
/// <code>
/// AttentionMixerOptions options = new() { ModelDim = 64, Heads = 8, KeyValueHeads = 2, RotaryDim = 8 };
/// using AttentionMixer mixer = new(device, options, random);
/// using LayerState state = mixer.CreateState(batch: 1);
/// DeviceArray y = mixer.Forward(x, state);                              // [1, length, 64]
/// DeviceArray next = mixer.Step(token, state);                          // [1, 1, 64], over all tokens so far
/// </code>
/// </example>
public sealed class AttentionMixer : SequenceMixer
{
    private readonly AttentionMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public AttentionMixer(Device device, AttentionMixerOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        _options = Valid(options);
        int projected = QueryDim + (2 * KeyDim);
        InProjection = AddModule(
            "in_projection", new Linear(device, options.InputDim, projected, options.Bias, random));
        Convolution = options.ConvWidth > 0
            ? AddModule("convolution", new DepthwiseConvolution(device, projected, options.ConvWidth, true, random))
            : null;
        if (options.HeadNormEpsilon is not null)
        {
            QueryNorm = AddParameter(
                "query_norm.weight", [options.Heads, options.HeadDim], Initial.Constant(random, 1f));
            KeyNorm = AddParameter(
                "key_norm.weight", [options.KeyValueHeads, options.HeadDim], Initial.Constant(random, 1f));
        }

        OutProjection = AddModule(
            "out_projection", new Linear(device, QueryDim, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Projects the input to queries, keys and values, in this order.</summary>
    public Linear InProjection { get; }

    /// <summary>Causal convolution over queries, keys and values; null if absent.</summary>
    public DepthwiseConvolution? Convolution { get; }

    /// <summary>The weights of the norm of queries, shape [heads, headDim]; null if absent.</summary>
    public Parameter? QueryNorm { get; }

    /// <summary>The weights of the norm of keys, shape [keyValueHeads, headDim]; null if absent.</summary>
    public Parameter? KeyNorm { get; }

    /// <summary>Projection back to the model's width.</summary>
    public Linear OutProjection { get; }

    private int QueryDim => _options.Heads * _options.HeadDim;

    private int KeyDim => _options.KeyValueHeads * _options.HeadDim;

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The mixer is not causal: it needs the whole sequence.</exception>
    public override LayerState CreateState(int batch) => _options.Causal
        ? new AttentionState(Device, batch, KeyDim, Math.Max(_options.ConvWidth - 1, 0), QueryDim + (2 * KeyDim))
        : throw NeedsAll();

    /// <inheritdoc/>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null) =>
        Forward(x, state, segments, default);

    /// <summary>The same, with an array added to queries, keys and values side by side, unless it is absent.</summary>
    internal DeviceArray Forward(DeviceArray x, LayerState? state, Segments? segments, DeviceArray start)
    {
        if (state is not null && !_options.Causal)
        {
            throw NeedsAll();
        }

        using StateUse use = new(state);
        Require(x, _options.InputDim, state, segments);
        AttentionState? own = (AttentionState?)state;
        if (own is { IsDraft: false } && !IsRecording)
        {
            own.Reserve(x.Shape[1], segments);
        }

        DeviceArray qkv = InProjection.Multiply(x, Optional(InProjection.Bias), start), window = default;
        if (Convolution is not null)
        {
            (qkv, window) = Functions.CausalConvolution(
                qkv,
                Convolution.Weight.Value,
                Optional(Convolution.Bias),
                silu: false,
                own?.Window ?? default,
                segments);
        }

        AttentionInputs inputs = InputsOf(qkv, own, segments, null);
        DeviceArray y = OutProjection.Forward(Functions.Attention(inputs, segments));
        own?.Advance(inputs.Keys, inputs.Values, window, segments);
        return y;
    }

    /// <inheritdoc/>
    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null) =>
        Step(x, state, slots, default);

    /// <summary>The same, with an array added to queries, keys and values side by side, unless it is absent.</summary>
    internal DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots, DeviceArray start)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!_options.Causal)
        {
            throw NeedsAll();
        }

        if (IsRecording || state.IsDraft)
        {
            RequireNoSlots(slots);
            return Forward(x, state, null, start);
        }

        using StateUse use = new(state);
        Require(x, _options.InputDim, state, null, slots);
        AttentionState own = (AttentionState)state;
        own.Reserve(x.Shape[1], null, slots); // before the step changes anything
        using StepGuard guard = new(this, own, slots);
        DeviceArray qkv = InProjection.Multiply(x, Optional(InProjection.Bias), start);
        if (Convolution is not null)
        {
            qkv = Functions.CausalConvolutionStep(
                qkv, Convolution.Weight.Value, Optional(Convolution.Bias), silu: false, own.WindowInPlace, slots);
        }

        AttentionInputs inputs = InputsOf(qkv, own, null, slots);
        DeviceArray y = OutProjection.Forward(Functions.Attention(inputs));
        own.AdvanceInPlace(inputs.Keys, inputs.Values, slots);
        return guard.Done(y);
    }

    /// <inheritdoc/>
    public override bool Fits(LayerState state) =>
        _options.Causal
        && state is AttentionState own
        && own.Fits(Device, KeyDim, Math.Max(_options.ConvWidth - 1, 0), QueryDim + (2 * KeyDim));

    /// <summary>
    /// Splits the projection into queries, keys and values, rotates queries and keys, and adds the cached tokens.
    /// </summary>
    private AttentionInputs InputsOf(DeviceArray qkv, AttentionState? state, Segments? segments, StateSlots? slots)
    {
        ReadOnlyMemory<int> lengths = state?.Lengths() ?? default;
        bool hasPast = state is { Length: > 0 };
        return new()
        {
            Queries = Turn(Normed(qkv.Slice(0, QueryDim), QueryNorm), segments, lengths, slots),
            Keys = Turn(Normed(qkv.Slice(QueryDim, KeyDim), KeyNorm), segments, lengths, slots),
            Values = qkv.Slice(QueryDim + KeyDim, KeyDim),
            PastKeys = hasPast ? state!.Keys : default,
            PastValues = hasPast ? state!.Values : default,
            PastLengths = hasPast ? lengths : default,
            Slots = hasPast ? slots : null,
            Causal = _options.Causal,
            Window = _options.Window,
            Scale = _options.Scale,
            Heads = _options.Heads,
            KeyValueHeads = _options.KeyValueHeads,
        };
    }

    private static NotSupportedException NeedsAll() => new(
        "An AttentionMixer that is not causal sees the whole sequence: it has no state and no step. Call Forward " +
        "without a state.");

    /// <summary>Normalises each head of queries or keys.</summary>
    private DeviceArray Normed(DeviceArray x, Parameter? weight)
    {
        if (weight is null)
        {
            return x;
        }

        Shape heads = weight.Value.Shape;
        DeviceArray each = Functions.Contiguous(x).Reshape([x.Shape[0], x.Shape[1], heads[0], heads[1]]);
        return Functions.Multiply(Functions.RmsNorm(each, default, _options.HeadNormEpsilon!.Value), weight.Value)
            .Reshape(x.Shape);
    }

    private DeviceArray Turn(DeviceArray x, Segments? segments, ReadOnlyMemory<int> offsets, StateSlots? slots)
    {
        RotaryOptions options = new(
            _options.HeadDim, _options.RotaryDim, 0, _options.RotaryBase, _options.RotaryInterleaved);
        return _options.RotaryDim > 0 ? Functions.Rotary(x, options, segments, offsets, slots) : x;
    }
}
