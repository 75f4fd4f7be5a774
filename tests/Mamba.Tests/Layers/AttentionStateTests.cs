using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Layers;

/// <summary>The cache of attention grows in place, and its sequences have lengths of their own.</summary>
public sealed class AttentionStateTests : IDisposable
{
    // What float32 loses over projections and a softmax: products of other numbers of rows take other routes.
    private const double Tolerance = 3e-6;

    private const int Dim = 12;

    private readonly Device _device = TestDevice.Open(2);
    private readonly AttentionMixer _mixer;

    public AttentionStateTests() => _mixer = new(
        _device,
        new() { ModelDim = Dim, Heads = 4, KeyValueHeads = 2, HeadDim = 6, RotaryDim = 4, ConvWidth = 3 },
        new Random(1));

    public void Dispose()
    {
        _mixer.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void The_room_doubles_and_what_is_in_it_stays_where_it_is()
    {
        using LayerState state = _mixer.CreateState(1);
        Read(state, 1, 5);
        List<int> rooms = [];
        List<DeviceArray> memories = [];
        for (int i = 0; i < 20; i++)
        {
            Read(state, 2 + i, 1);
            rooms.Add(state.Arrays[0].Shape[1]);
            memories.Add(state.Arrays[0]);
        }

        rooms.Should().Equal([10, 10, 10, 10, 10, .. Enumerable.Repeat(20, 10), 40, 40, 40, 40, 40]);
        memories.Select(memory => memory.IsAlive).Should().Equal([.. rooms.Select(room => room == 40)]);
        state.Length.Should().Be(25);
        state.LengthOf(0).Should().Be(25);
        state.Invoking(s => s.LengthOf(1)).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Sequences_of_different_lengths_give_what_each_gives_alone()
    {
        using LayerState batch = _mixer.CreateState(3);
        LayerState[] alone = [_mixer.CreateState(1), _mixer.CreateState(1), _mixer.CreateState(1)];
        int[] lengths = [7, 0, 2];
        for (int i = 0; i < 3; i++)
        {
            Read(alone[i], 10 + i, lengths[i]);
            batch.CopySlot(i, alone[i], 0);
        }

        foreach (int length in new[] { 1, 4, 1, 1 })
        {
            float[] together = Read(batch, 30, length);

            for (int i = 0; i < 3; i++)
            {
                float[] x = Samples.Normal(30, 3 * length * Dim)[(i * length * Dim)..((i + 1) * length * Dim)];
                together[(i * length * Dim)..((i + 1) * length * Dim)].ShouldBeAsAlone(Read(alone[i], x));
            }
        }

        Enumerable.Range(0, 3).Select(batch.LengthOf).Should().Equal(14, 7, 9);
        for (int i = 0; i < 3; i++)
        {
            StateValues.Of(batch, i).ShouldBeAsAlone(StateValues.Of(alone[i]));
            alone[i].Dispose();
        }
    }

    [Fact]
    public void Packed_sequences_go_on_from_their_states()
    {
        using LayerState batch = _mixer.CreateState(2), first = _mixer.CreateState(1), second = _mixer.CreateState(1);
        float[] x = Samples.Normal(1, 9 * Dim), more = Samples.Normal(2, 5 * Dim);
        using DeviceScope scope = _device.Scope();
        Segments segments = Segments.FromLengths([6, 3]), next = Segments.FromLengths([1, 4]);
        _mixer.Forward(_device.Array([1, 9, Dim], x), batch, segments);

        float[] y = _mixer.Forward(_device.Array([1, 5, Dim], more), batch, next).ToArray();

        Read(first, x[..(6 * Dim)]);
        Read(second, x[(6 * Dim)..]);
        y[..Dim].ShouldBeClose(Read(first, more[..Dim]), Tolerance);
        y[Dim..].ShouldBeClose(Read(second, more[Dim..]), Tolerance);
        StateValues.Of(batch, 0).ShouldBeClose(StateValues.Of(first), Tolerance);
        StateValues.Of(batch, 1).ShouldBeClose(StateValues.Of(second), Tolerance);
    }

    [Fact]
    public void Under_a_tape_sequences_of_different_lengths_give_the_same()
    {
        using LayerState state = _mixer.CreateState(2), alone = _mixer.CreateState(1);
        Read(alone, 1, 5);
        state.CopySlot(1, alone, 0);
        using LayerState other = state.Clone();
        float[] expected = [.. Read(state, 3, 4), .. Read(state, 4, 1)];
        using DeviceScope scope = _device.Scope();
        using Tape tape = new(_device);

        float[] y = [.. Read(other, 3, 4), .. Read(other, 4, 1)];

        y.ShouldHaveTheBitsOf(expected);
        other.Arrays[0].RequiresGradient.Should().BeTrue();
        StateValues.Of(other).ShouldHaveTheBitsOf(StateValues.Of(state));
    }

    [Fact]
    public void A_draft_leaves_the_state_alone_and_two_drafts_each_other()
    {
        using LayerState state = _mixer.CreateState(1);
        Read(state, 1, 5);
        Read(state, 2, 1); // there is room for more
        float[] before = StateValues.Of(state);
        using DeviceScope scope = _device.Scope();
        LayerState first = state.Draft(), second = state.Draft();
        Read(first, 3, 2);
        Read(second, 4, 1);

        StateValues.Of(state).Should().Equal(before);
        float[] expected = StateValues.Of(first);
        state.Commit(first);
        StateValues.Of(state).Should().Equal(expected);
        state.LengthOf(0).Should().Be(8);
    }

    [Fact]
    public void A_step_allocates_nothing_until_the_room_is_used_up()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Lengths are copied to a GPU.");
        using LayerState state = _mixer.CreateState(2);
        float[] x = Samples.Normal(1, 2 * Dim);
        Read(state, 1, 600);
        Step();
        Step();

        Allocations.Of(Steps).Should().Be(0);

        void Steps()
        {
            for (int i = 0; i < 100; i++)
            {
                Step();
            }
        }

        void Step()
        {
            using DeviceScope scope = _device.Scope();
            _mixer.Step(_device.Array([2, 1, Dim], x), state);
        }
    }

    private float[] Read(LayerState state, int seed, int length) =>
        Read(state, Samples.Normal(seed, state.Batch * length * Dim));

    private float[] Read(LayerState state, float[] x)
    {
        int length = x.Length / Dim / state.Batch;
        DeviceArray input = _device.Array([state.Batch, length, Dim], x);
        return (length == 1 ? _mixer.Step(input, state) : _mixer.Forward(input, state)).ToArray();
    }
}
