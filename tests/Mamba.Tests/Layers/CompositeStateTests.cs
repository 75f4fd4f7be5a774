using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Layers;

/// <summary>A state of several states is one: it moves on, is put back and is copied as a whole.</summary>
public sealed class CompositeStateTests
{
    private const int Dim = 6;

    [Fact]
    public void A_part_that_fails_leaves_the_others_as_they_were()
    {
        using Device device = TestDevice.Open();
        using Pair pair = new(device);
        using LayerState state = pair.CreateState(2);
        using DeviceScope scope = device.Scope();
        pair.Forward(Tokens(device, 3), state);
        pair.Step(Tokens(device, 1), state);
        float[][] before = Values(state);
        pair.Fails = true;

        ((Action)(() => pair.Step(Tokens(device, 1), state))).Should().Throw<IOException>();
        Values(state).Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
        ((Action)(() => pair.Forward(Tokens(device, 3), state))).Should().Throw<IOException>();
        Values(state).Should().BeEquivalentTo(before, options => options.WithStrictOrdering());

        pair.Fails = false;
        using LayerState clone = state.Clone();
        pair.Step(Tokens(device, 1), state).ToArray().Should().Equal(pair.Step(Tokens(device, 1), clone).ToArray());
        pair.Step(Tokens(device, 1), state);
        Values(state).Should().NotBeEquivalentTo(before);
    }

    [Fact]
    public void Steps_give_what_the_sequence_gives_and_gradients_flow_through_pieces()
    {
        using Device device = TestDevice.Open();
        using Pair pair = new(device);
        float[] whole = Gradients(pair, pieces: 1), cut = Gradients(pair, pieces: 2);

        cut.ShouldBeClose(whole, 1e-5);
    }

    [Fact]
    public void A_block_recomputes_over_a_composite_state()
    {
        using Device device = TestDevice.Open();
        using ResidualBlock block = new(new Pair(device), Dim);
        float[] kept = Gradient(recompute: false), recomputed = Gradient(recompute: true);

        recomputed.Should().Equal(kept);

        float[] Gradient(bool recompute)
        {
            using DeviceScope scope = device.Scope();
            using LayerState state = block.Mixer.CreateState(2);
            using Tape tape = new(device);
            block.ClearGradients();
            DeviceArray x = Tokens(device, 4);
            x = recompute ? block.ForwardRecomputed(new(x), state, null).Sum() : block.Forward(x, state);
            x = recompute ? block.ForwardRecomputed(new(x), state, null).Sum() : block.Forward(x, state);
            tape.Backward(Functions.Mean(Functions.Square(x)));
            state.Detach();
            return [.. block.Parameters.SelectMany(named => named.Parameter.Gradient.ToArray())];
        }
    }

    [Fact]
    public void States_that_do_not_fit_together_are_refused()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = Dim }, new Random(1));
        using Mamba2Mixer other = new(device, new() { ModelDim = Dim, HeadDim = 4, StateDim = 4 }, new Random(1));
        using LayerState one = mixer.CreateState(1), two = mixer.CreateState(2), foreign = other.CreateState(1);
        using CompositeState pair = CompositeState.Of(1, mixer, other), same = CompositeState.Of(1, other, mixer);

        ((Action)(() => _ = new CompositeState())).Should().Throw<ArgumentException>().WithMessage("*at least one*");
        ((Action)(() => _ = new CompositeState(one, two))).Should().Throw<ArgumentException>()
            .WithMessage("Part 0 holds 1 sequences*part 1 holds 2*");
        ((Action)(() => _ = new CompositeState(one, one))).Should().Throw<ArgumentException>()
            .WithMessage("Part 1 is part 0 too*");
        ((Action)(() => pair.CopyFrom(same))).Should().Throw<ArgumentException>().WithMessage("The states differ*");
        ((Action)(() => mixer.Forward(device.Zeros([1, 2, Dim]), pair))).Should().Throw<ArgumentException>()
            .WithMessage("The state is of another layer*CompositeState*");
        pair.Dispose();
        ((Action)(() => _ = pair.Parts[0].Arrays)).Should().Throw<ObjectDisposedException>();
    }

    private static float[] Gradients(Pair pair, int pieces)
    {
        Device device = pair.Device;
        using DeviceScope scope = device.Scope();
        using LayerState state = pair.CreateState(2);
        using Tape tape = new(device);
        pair.ClearGradients();
        DeviceArray x = Tokens(device, 4), sum = default;
        for (int i = 0; i < pieces; i++)
        {
            int length = 4 / pieces;
            DeviceArray y = pair.Forward(
                Functions.Gather(x, device.Indices([.. Enumerable.Range(i * length, length)])), state);
            DeviceArray term = Functions.Sum(Functions.Square(y));
            sum = sum.Exists ? Functions.Add(sum, term) : term;
        }

        tape.Backward(sum);
        state.Detach();
        return [.. pair.Parameters.SelectMany(named => named.Parameter.Gradient.ToArray())];
    }

    private static float[][] Values(LayerState state) => [.. state.Arrays.Select(array => array.ToArray())];

    private static DeviceArray Tokens(Device device, int length) =>
        device.Array([2, length, Dim], Samples.Normal(5, 2 * length * Dim));

    private sealed class Pair : SequenceMixer
    {
        private readonly MambaMixer _first;
        private readonly Mamba2Mixer _second;

        public Pair(Device device)
            : base(device)
        {
            _first = AddModule("first", new MambaMixer(device, new() { ModelDim = Dim }, new Random(1)));
            _second = AddModule(
                "second", new Mamba2Mixer(device, new() { ModelDim = Dim, HeadDim = 4, StateDim = 4 }, new Random(2)));
        }

        public bool Fails { get; set; }

        public override LayerState CreateState(int batch) => CompositeState.Of(batch, _first, _second);

        public override bool Fits(LayerState state) =>
            state is CompositeState { Parts: [LayerState first, LayerState second] }
            && _first.Fits(first) && _second.Fits(second);

        public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
        {
            using StateUse use = new(state);
            Require(x, Dim, state, segments);
            CompositeState? draft = (CompositeState?)state?.Draft();
            DeviceArray y = _first.Forward(x, draft?.Parts[0], segments);
            FailIfAsked();
            y = _second.Forward(y, draft?.Parts[1], segments);
            if (draft is not null)
            {
                state!.Commit(draft);
            }

            return y;
        }

        public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
        {
            if (IsRecording)
            {
                return Forward(x, state);
            }

            using StateUse use = new(state);
            Require(x, Dim, state, null, slots);
            using StepGuard guard = new(this, state, slots);
            CompositeState own = (CompositeState)state;
            DeviceArray y = _first.Step(x, own.Parts[0], slots);
            FailIfAsked();
            return guard.Done(_second.Step(y, own.Parts[1], slots));
        }

        private void FailIfAsked()
        {
            if (Fails)
            {
                throw new IOException("The second part fails.");
            }
        }
    }
}
