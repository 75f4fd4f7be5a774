using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>Several mixers that read the same input; their outputs are added.</summary>
/// <remarks>
/// Falcon-H1 has Mamba-2 and attention side by side in every layer: Zuo et al.,
/// <see href="https://arxiv.org/abs/2507.22448"/>, section 2.
/// </remarks>
/// <example>
/// <code>
/// ParallelMixerOptions options = new(
///     new ParallelBranch(new Mamba2MixerOptions { ModelDim = 64, HeadDim = 16 }),
///     new ParallelBranch(new AttentionMixerOptions { ModelDim = 64, Heads = 4 }));
/// using ParallelMixer mixer = new(device, options, random);
/// DeviceArray y = mixer.Forward(x);
/// </code>
/// </example>
public sealed class ParallelMixer : SequenceMixer
{
    private readonly ParallelMixerOptions _options;
    private readonly SequenceMixer[] _mixers;

    /// <summary>Makes the mixer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">The branches.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projections' initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public ParallelMixer(Device device, ParallelMixerOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        _options = Valid(options);
        _mixers = new SequenceMixer[options.Branches.Count];
        for (int i = 0; i < _mixers.Length; i++)
        {
            _mixers[i] = AddModule(NameOf(i), options.Branches[i].Mixer.Create(device, random, outputScale));
        }
    }

    /// <summary>The mixers, in the order of the branches; their names are their indices.</summary>
    public IReadOnlyList<SequenceMixer> Mixers => _mixers;

    /// <inheritdoc/>
    public override LayerState CreateState(int batch) => CompositeState.Of(batch, _mixers);

    /// <inheritdoc/>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, segments);
        CompositeState? draft = (CompositeState?)state?.Draft();
        DeviceArray sum = default;
        for (int i = 0; i < _mixers.Length; i++)
        {
            sum = Add(sum, i, _mixers[i].Forward(Input(x, i), draft?.Parts[i], segments));
        }

        if (draft is not null)
        {
            state!.Commit(draft);
        }

        return sum;
    }

    /// <inheritdoc/>
    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (IsRecording || state.IsDraft)
        {
            RequireNoSlots(slots);
            return Forward(x, state);
        }

        using StateUse use = new(state);
        Require(x, _options.ModelDim, state, null, slots);
        CompositeState own = (CompositeState)state;
        own.Reserve(x.Shape[1], null, slots); // before the step changes anything
        using StepGuard guard = new(this, own, slots);
        DeviceArray sum = default;
        for (int i = 0; i < _mixers.Length; i++)
        {
            sum = Add(sum, i, _mixers[i].Step(Input(x, i), own.Parts[i], slots));
        }

        return guard.Done(sum);
    }

    /// <inheritdoc/>
    public override bool Fits(LayerState state)
    {
        if (state is not CompositeState own || own.Parts.Count != _mixers.Length)
        {
            return false;
        }

        for (int i = 0; i < _mixers.Length; i++)
        {
            if (!_mixers[i].Fits(own.Parts[i]))
            {
                return false;
            }
        }

        return true;
    }

    private DeviceArray Input(DeviceArray x, int branch) => Functions.Scaled(x, _options.Branches[branch].InScale);

    private DeviceArray Add(DeviceArray sum, int branch, DeviceArray y)
    {
        y = Functions.Scaled(y, _options.Branches[branch].OutScale);
        return sum.Exists ? Functions.Add(sum, y) : y;
    }
}
