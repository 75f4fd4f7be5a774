using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Layers;

public sealed class InitialStateTests
{
    private const double GradientTolerance = 2e-5;

    public static TheoryData<string> Names => ["mamba1", "mamba2", "s4d", "s4d real", "mamba1 learned state"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_state_that_is_learned_afterwards_has_the_gradient_of_the_reference(string name)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        double[] actual = GradientOf(tested), expected = GradientOf(reference);

        actual.ShouldBeClose(expected, GradientTolerance);
        expected.Should().Contain(value => value != 0);

        double[] GradientOf(Device device)
        {
            using RecurrentMixer mixer = (RecurrentMixer)Mixers.Create(name, device);
            Parameter initial = mixer.LearnInitialState();
            initial.Value.CopyFrom(Samples.Normal(4, (int)initial.Value.Shape.Count));
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray y = mixer.Forward(
                device.Array([3, 5, Mixers.ModelDim], Samples.Normal(3, 15 * Mixers.ModelDim)));
            tape.Backward((y, device.Array(y.Shape, Samples.Normal(5, (int)y.Shape.Count))));
            return ReferenceDevice.ValuesOf(initial.Gradient);
        }
    }

    [Fact]
    public void A_new_initial_state_changes_nothing_and_one_that_is_there_is_kept()
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = (RecurrentMixer)Mixers.Create("mamba2", device);
        DeviceArray x = device.Array([1, 5, Mixers.ModelDim], Samples.Normal(3, 5 * Mixers.ModelDim));
        float[] expected = mixer.Forward(x).ToArray();

        Parameter initial = mixer.LearnInitialState();
        float[] actual = mixer.Forward(x).ToArray();
        initial.IsTrainable = false;

        actual.Should().Equal(expected);
        mixer.LearnInitialState().Should().BeSameAs(initial);
        initial.IsTrainable.Should().BeTrue();
        mixer.Parameters.Count(named => named.Name == "initial_state").Should().Be(1);
    }

    [Fact]
    public void States_that_are_made_afterwards_begin_with_it()
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = (RecurrentMixer)Mixers.Create("mamba1", device);
        Parameter initial = mixer.LearnInitialState();
        float[] values = Samples.Normal(4, (int)initial.Value.Shape.Count);
        initial.Value.CopyFrom(values);

        using LayerState state = mixer.CreateState(2);

        ((MixerState)state).Hidden.ToArray().Should().Equal([.. values, .. values]);
    }
}
