using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// Causal attention with grouped keys and values and rotary positions, for models that mix it with Mamba.
/// </summary>
/// <remarks>Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>; its memory grows with the text.</remarks>
public sealed class AttentionMixer : SequenceMixer
{
    private readonly AttentionMixerOptions _options;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Source of the first weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Factor of the output projection's first weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public AttentionMixer(Device device, AttentionMixerOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        _options = Valid(options);
        int projected = QueryDim + (2 * KeyDim);
        InProjection = AddModule(
            "in_projection", new Linear(device, options.ModelDim, projected, options.Bias, random));
        Convolution = options.ConvWidth > 0
            ? AddModule("convolution", new DepthwiseConvolution(device, projected, options.ConvWidth, true, random))
            : null;
        OutProjection = AddModule(
            "out_projection", new Linear(device, QueryDim, options.ModelDim, options.Bias, random, outputScale));
    }

    /// <summary>Makes queries, keys and values of the input, in this order.</summary>
    public Linear InProjection { get; }

    /// <summary>A causal convolution over queries, keys and values; null where there is none.</summary>
    public DepthwiseConvolution? Convolution { get; }

    /// <summary>Back to the model's width.</summary>
    public Linear OutProjection { get; }

    private int QueryDim => _options.Heads * _options.HeadDim;

    private int KeyDim => _options.KeyValueHeads * _options.HeadDim;

    /// <inheritdoc/>
    public override LayerState CreateState(int batch) =>
        new AttentionState(Device, batch, KeyDim, Math.Max(_options.ConvWidth - 1, 0), QueryDim + (2 * KeyDim));

    /// <inheritdoc/>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, segments);
        AttentionState? own = (AttentionState?)state;
        if (own is not null && segments is not null)
        {
            throw new ArgumentException("Attention keeps no state of packed segments, which differ in length.");
        }

        DeviceArray qkv = InProjection.Forward(x), window = default;
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

        int past = own?.Length ?? 0;
        DeviceArray values = qkv.Slice(QueryDim + KeyDim, KeyDim);
        DeviceArray keys = Turn(qkv.Slice(QueryDim, KeyDim), past, segments);
        DeviceArray attended = Functions.Attention(
            new()
            {
                Queries = Turn(qkv.Slice(0, QueryDim), past, segments),
                Keys = keys,
                Values = values,
                PastKeys = past > 0 ? own!.Keys : default,
                PastValues = past > 0 ? own!.Values : default,
                Heads = _options.Heads,
                KeyValueHeads = _options.KeyValueHeads,
            },
            segments);
        DeviceArray y = OutProjection.Forward(attended);
        own?.Append(keys, values, window);
        return y;
    }

    /// <inheritdoc/>
    public override bool Fits(LayerState state) =>
        state is AttentionState own
        && own.Fits(Device, KeyDim, Math.Max(_options.ConvWidth - 1, 0), QueryDim + (2 * KeyDim));

    private DeviceArray Turn(DeviceArray x, int past, Segments? segments)
    {
        RotaryOptions options = new(
            _options.HeadDim, _options.RotaryDim, past, _options.RotaryBase, _options.RotaryInterleaved);
        return _options.RotaryDim > 0 ? Functions.Rotary(x, options, segments) : x;
    }
}
