using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Consumer;

/// <summary>The options of a <see cref="Twofold"/>.</summary>
internal sealed record TwofoldOptions : MixerOptions
{
    public override void Validate() => ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ModelDim);

    public override SequenceMixer Create(Device device, Random? random, double outputScale = 1) =>
        new Twofold(device, ModelDim, random);
}

/// <summary>A mixer of two mixers, one after the other, whose state is that of both.</summary>
internal sealed class Twofold : SequenceMixer
{
    private readonly SequenceMixer _first, _second;
    private readonly int _dim;

    public Twofold(Device device, int dim, Random? random)
        : base(device)
    {
        _dim = dim;
        _first = AddModule("first", new RunningMean(device, new() { ModelDim = dim }, random));
        _second = AddModule("second", new MambaMixer(device, new() { ModelDim = dim, StateDim = 4 }, random));
    }

    public override LayerState CreateState(int batch) => CompositeState.Of(batch, _first, _second);

    public override bool Fits(LayerState state) =>
        state is CompositeState { Parts: [LayerState first, LayerState second] }
        && _first.Fits(first) && _second.Fits(second);

    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, _dim, state, segments);
        CompositeState? draft = (CompositeState?)state?.Draft();
        DeviceArray y = _first.Forward(x, draft?.Parts[0], segments);
        y = _second.Forward(y, draft?.Parts[1], segments);
        if (draft is not null)
        {
            state!.Commit(draft);
        }

        return y;
    }

    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        if (IsRecording && slots is null)
        {
            return Forward(x, state);
        }

        using StateUse use = new(state);
        Require(x, _dim, state, null, slots);
        using StepGuard guard = new(this, state, slots);
        CompositeState own = (CompositeState)state;
        return guard.Done(_second.Step(_first.Step(x, own.Parts[0], slots), own.Parts[1], slots));
    }
}

/// <summary>A mixer in each direction, added up.</summary>
internal sealed class BothWays : BidirectionalMixer
{
    private readonly MambaMixer _onward, _back;

    public BothWays(Device device, int dim, Random? random)
        : base(device)
    {
        _onward = AddModule("onward", new MambaMixer(device, new() { ModelDim = dim, StateDim = 4 }, random));
        _back = AddModule("back", new MambaMixer(device, new() { ModelDim = dim, StateDim = 4 }, random));
    }

    protected override DeviceArray Mix(DeviceArray x, Segments? segments)
    {
        IndexArray reversed = Device.Indices([.. Enumerable.Range(0, x.Shape[1]).Reverse()]);
        DeviceArray back = Functions.Gather(_back.Forward(Functions.Gather(x, reversed)), reversed);
        return Functions.Add(_onward.Forward(x), back);
    }
}
