using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Layers;

/// <summary>
/// A mixer that scans the tokens in several orders and merges the outputs, for example forwards and backwards, or along
/// the rows and the columns of an image.
/// </summary>
/// <remarks>
/// Each direction reorders the tokens, applies its mixer, and restores the original order. The options set what the
/// directions share, and how and where they merge. Vision Mamba (<see href="https://arxiv.org/abs/2401.09417"/>),
/// VMamba (<see href="https://arxiv.org/abs/2401.10166"/>), PlainMamba (<see href="https://arxiv.org/abs/2403.17695"/>)
/// and Caduceus (<see href="https://arxiv.org/abs/2403.03234"/>) differ in these options. The parameters of the first
/// direction have the names of a plain mixer; those of the others begin with <c>directions.1.</c>, <c>directions.2.</c>
/// </remarks>
/// <example>
/// <code>
/// DirectionalMixerOptions options = new(
///     new MambaMixerOptions { ModelDim = 64 }, ScanOrder.Forward, ScanOrder.Backward);
/// using DirectionalMixer mixer = new(device, options, random);
/// DeviceArray y = mixer.Forward(x);                                     // [batch, length, 64]
/// </code>
/// </example>
public sealed class DirectionalMixer : BidirectionalMixer
{
    private readonly DirectionalMixerOptions _options;
    private readonly SequenceMixer[] _mixers;
    private readonly ScanOrder[] _orders;
    private readonly Parameter? _weights;
    private readonly Linear? _projection;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">The mixer and its directions.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public DirectionalMixer(Device device, DirectionalMixerOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        _options = Valid(options);
        _orders = [.. options.Orders];
        int directions = _orders.Length;
        _mixers = new SequenceMixer[directions];
        _mixers[0] = AddModule(options.Mixer.Create(device, random, outputScale));
        for (int i = 1; i < directions; i++)
        {
            _mixers[i] = options.Tying switch
            {
                DirectionTying.All => _mixers[0],
                DirectionTying.None => options.Mixer.Create(device, random, outputScale),
                _ => ((RecurrentMixer)_mixers[0]).CreateSibling(options.Tying, random),
            };
            if (options.Tying != DirectionTying.All)
            {
                AddModule($"directions.{NameOf(i)}", _mixers[i]);
            }
        }

        int width = options.MergeAt == MergePoint.Output ? options.ModelDim
            : ((RecurrentMixer)_mixers[0]).CoreDim;
        _weights = options.Merge == DirectionMerge.Learned
            ? AddParameter("merge.weight", [directions], Initial.Constant(random, 1f / directions))
            : null;
        _projection = options.Merge switch
        {
            DirectionMerge.Gated => AddModule(
                "merge", new Linear(device, options.ModelDim, directions, bias: true, random)),
            DirectionMerge.Concat => AddModule(
                "merge", new Linear(device, checked(directions * width), width, bias: false, random)),
            _ => null,
        };
    }

    /// <summary>
    /// The mixer of each direction; all entries are the same object if the directions share everything.
    /// </summary>
    public IReadOnlyList<SequenceMixer> Directions => _mixers;

    /// <inheritdoc/>
    protected override DeviceArray Mix(DeviceArray x, Segments? segments)
    {
        Require(x, _options.ModelDim, null, segments);
        if (_options.MergeAt == MergePoint.Output)
        {
            DeviceArray[] outputs = new DeviceArray[_mixers.Length];
            for (int i = 0; i < outputs.Length; i++)
            {
                DeviceArray read = Functions.Reorder(x, _options.Orders[i], segments);
                outputs[i] = Functions.Restore(
                    _mixers[i].Forward(read, null, segments), _options.Orders[i], segments);
            }

            return MergeOf(outputs, x);
        }

        RecurrentMixer first = (RecurrentMixer)_mixers[0];
        DeviceArray projected = first.InProjection.Forward(x);
        if (TakesOneScan)
        {
            DeviceArray sum = ((MambaMixer)first).MixInOrders(
                _orders, _mixers, projected, _options.MergeAt == MergePoint.Gate, segments);
            sum = _options.Merge == DirectionMerge.Mean ? sum * (1f / _orders.Length) : sum;
            return first.OutProjection.Forward(
                _options.MergeAt == MergePoint.Core ? first.GateAndNorm(sum, projected) : sum);
        }

        DeviceArray[] mixed = new DeviceArray[_mixers.Length];
        for (int i = 0; i < mixed.Length; i++)
        {
            mixed[i] = ((RecurrentMixer)_mixers[i]).MixIn(_options.Orders[i], projected, segments);
            if (_options.MergeAt == MergePoint.Gate)
            {
                mixed[i] = first.GateAndNorm(mixed[i], projected);
            }
        }

        DeviceArray merged = MergeOf(mixed, x);
        return first.OutProjection.Forward(
            _options.MergeAt == MergePoint.Core ? first.GateAndNorm(merged, projected) : merged);
    }

    /// <summary>
    /// Whether the cores read the same x, Δ, B and C, so that these are computed once, and one
    /// <see cref="Functions.MultiScan"/> sums the outputs. A convolution of several taps makes an x of its own in every
    /// order.
    /// </summary>
    private bool TakesOneScan =>
        _options is { Merge: DirectionMerge.Sum or DirectionMerge.Mean, Mixer: MambaMixerOptions { ConvWidth: 1 } }
        && _options.Tying is DirectionTying.All or DirectionTying.AllButA
        && Array.TrueForAll(_orders, order => order.IsPermutation)
        && Array.TrueForAll(
            _mixers, mixer => ((MambaMixer)mixer).InitialState == ((MambaMixer)_mixers[0]).InitialState);

    private DeviceArray MergeOf(DeviceArray[] outputs, DeviceArray x)
    {
        if (_options.Merge == DirectionMerge.Concat)
        {
            return _projection!.Forward(Functions.Concat(-1, outputs));
        }

        DeviceArray weights = _options.Merge switch
        {
            DirectionMerge.Learned => _weights!.Value,
            DirectionMerge.Gated => Functions.Softmax(_projection!.Forward(x)),
            _ => default,
        };
        DeviceArray merged = Weighted(0);
        for (int i = 1; i < outputs.Length; i++)
        {
            merged = _options.Merge == DirectionMerge.Product ? merged * outputs[i] : merged + Weighted(i);
        }

        return _options.Merge == DirectionMerge.Mean ? merged * (1f / outputs.Length) : merged;

        DeviceArray Weighted(int direction) =>
            weights.Exists ? outputs[direction] * weights.Slice(direction, 1) : outputs[direction];
    }
}
