using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Layers;

/// <summary>A state that is written outside is told what it does wrong.</summary>
public sealed class OwnStateTests
{
    [Fact]
    public void Values_of_other_shapes_are_refused_and_change_nothing()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Own state = new(device, 2);
        DeviceArray good = device.Array([2, 3], Samples.Normal(1, 6));
        state.Move(good, good);

        Refused<ArgumentException>(() => state.Move(good), "Expected values for Own [2, 3] [2, 3]*found [2, 3]*");
        Refused<ArgumentException>(() => state.Move(good, device.Zeros([3, 2])), "Expected values for Own*[3, 2]*");
        Refused<ArgumentException>(() => state.Move(good, default), "Expected values for Own*no array*");
        state.Arrays[1].ToArray().Should().Equal(good.ToArray());
    }

    [Fact]
    public void A_draft_takes_values_and_leaves_its_state_alone_until_it_is_committed()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Own state = new(device, 2), other = new(device, 1);
        DeviceArray next = device.Array([2, 3], Samples.Normal(1, 6));
        Own draft = (Own)state.Draft();
        draft.Move(next, next);

        state.Arrays[0].ToArray().Should().OnlyContain(value => value == 0);
        Refused<InvalidOperationException>(() => draft.Memory(), "A draft of the state Own has no memory to step in*");
        Refused<ArgumentException>(() => other.Commit(draft), "The states differ*");
        state.Commit(draft);
        state.Arrays[0].ToArray().Should().Equal(next.ToArray());
        state.Memory().CopyFrom(state.Arrays[1]);
        Refused<ArgumentException>(() => state.Memory().CopyFrom(device.Zeros([1, 3])), "Expected an array [2, 3]*");
    }

    private static void Refused<TException>(Action action, string message)
        where TException : Exception => action.Should().Throw<TException>().WithMessage(message);

    private sealed class Own : LayerState
    {
        public Own(Device device, int batch)
            : base(device, batch) => Allocate([batch, 3], [batch, 3]);

        public void Move(params ReadOnlySpan<DeviceArray> values) => Take(values);

        public DeviceArray Memory() => InPlace(0);

        protected internal override LayerState CreateEmpty(int batch) => new Own(Device, batch);
    }
}
