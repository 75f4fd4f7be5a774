using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tests.Layers;

/// <summary>
/// The state of a sequence that has read nothing is the learned initial state itself, with its gradient.
/// </summary>
public sealed class LearnedStateTests
{
    private const int Batch = 3, Length = 4;

    public static TheoryData<string> Names => ["mamba1", "mamba2", "mamba2 groups", "s4d", "s4d real"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_state_that_is_made_under_a_tape_has_the_gradient_of_no_state(string name)
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create(name, device);

        float[] without = Gradient(mixer, () => null), with = Gradient(mixer, () => mixer.CreateState(Batch));

        with.ShouldHaveTheBitsOf(without);
        with.Should().Contain(value => value != 0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void So_has_a_state_that_was_made_before_the_tape_cloned_and_copied(string name)
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create(name, device);
        using LayerState state = mixer.CreateState(Batch), clone = state.Clone(), used = mixer.CreateState(Batch);
        mixer.Forward(Input(device), used);
        used.CopyFrom(state);
        float[] without = Gradient(mixer, () => null);

        foreach (LayerState fresh in new[] { state, clone, used })
        {
            Gradient(mixer, () => fresh).ShouldHaveTheBitsOf(without);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void After_the_first_tokens_a_carried_state_has_no_gradient(string name)
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create(name, device);
        using LayerState state = mixer.CreateState(Batch);
        Gradient(mixer, () => state).Should().Contain(value => value != 0);

        Gradient(mixer, () => state).Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Rows_that_begin_anew_have_the_gradient_of_these_rows(string name)
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create(name, device);
        using LayerState state = mixer.CreateState(Batch), fresh = mixer.CreateState(1);
        mixer.Forward(Input(device), state);
        state.CopySlot(1, fresh, 0);
        using LayerState all = mixer.CreateState(Batch);

        // Of the batch only row 1 is fresh: its gradient is that of the whole when the other rows have no upstream.
        float[] upstream = new float[Batch * Length * Mixers.ModelDim];
        Samples.Normal(9, Length * Mixers.ModelDim).CopyTo(upstream, Length * Mixers.ModelDim);
        float[] expected = Gradient(mixer, () => all, upstream), actual = Gradient(mixer, () => state, upstream);

        actual.ShouldBeClose(expected, 1e-6);
        actual.Should().Contain(value => value != 0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_fresh_state_begins_with_what_is_learned_by_then(string name)
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create(name, device);
        using LayerState state = mixer.CreateState(Batch), stepped = mixer.CreateState(Batch);
        int count = (int)mixer.InitialState!.Value.Shape.Count;
        mixer.InitialState.Value.CopyFrom(Samples.Normal(8, count));
        DeviceArray x = Input(device);
        float[] expected = mixer.Forward(x).ToArray();

        mixer.Forward(x, state).ToArray().ShouldHaveTheBitsOf(expected);
        float[] first = mixer.Step(device.Array([Batch, 1, Mixers.ModelDim], FirstTokens()), stepped).ToArray();
        for (int row = 0; row < Batch; row++)
        {
            first[(row * Mixers.ModelDim)..((row + 1) * Mixers.ModelDim)].ShouldBeClose(
                expected[(row * Length * Mixers.ModelDim)..(((row * Length) + 1) * Mixers.ModelDim)], 1e-5);
        }
    }

    [Fact]
    public void What_the_caller_writes_into_a_state_counts()
    {
        using Device device = TestDevice.Open();
        using RecurrentMixer mixer = Create("mamba2", device);
        using MixerState state = (MixerState)mixer.CreateState(Batch), other = (MixerState)mixer.CreateState(Batch);
        float[] hidden = Samples.Normal(2, (int)state.Hidden.Shape.Count);
        mixer.Forward(Input(device), other);
        state.Hidden.CopyFrom(hidden);
        other.Hidden.CopyFrom(hidden);
        other.Window.CopyFrom(new float[other.Window.Shape.Count]);

        float[] actual = mixer.Forward(Input(device), state).ToArray();

        actual.ShouldHaveTheBitsOf(mixer.Forward(Input(device), other).ToArray());
    }

    [Fact]
    public void Recomputed_layers_have_the_same_gradients()
    {
        using Device device = TestDevice.Open();
        float[] plain = Train(recompute: false), recomputed = Train(recompute: true);

        recomputed.ShouldHaveTheBitsOf(plain);
        plain.Should().Contain(value => value != 0);

        float[] Train(bool recompute)
        {
            using MambaLanguageModel model = Model(device);
            model.RecomputeActivations = recompute;
            using ModelState state = model.CreateState();
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray first = model.Loss([1, 2, 3, 4], 1, state), second = model.Loss([5, 6, 7, 8], 1, state);
            tape.Backward(Functions.Add(first, second));
            state.Detach();
            IEnumerable<RecurrentMixer> mixers = model.Blocks.Select(block => (RecurrentMixer)block.Mixer);
            return [.. mixers.SelectMany(mixer => mixer.InitialState!.Gradient.ToArray())];
        }
    }

    [Fact]
    public void A_trainer_moves_the_initial_state_of_a_carried_state()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = Model(device);
        using ModelState state = model.CreateState();
        using AdamW optimizer = new(model, new() { LearningRate = 1e-2 });
        float[] before = InitialStates();
        using Trainer trainer = new(model, optimizer, new() { Steps = 4 }, batch =>
        {
            if (batch % 2 == 0)
            {
                using ModelState fresh = model.CreateState(); // as a new epoch begins, inside the loss
                state.CopyFrom(fresh);
            }

            return model.Loss([1, 2, 3, 4, 5], 1, state);
        })
        {
            CarriedStates = state.Layers,
        };

        trainer.Run(cancellation: TestContext.Current.CancellationToken);

        InitialStates().Zip(before).Should().Contain(pair => pair.First != pair.Second);

        float[] InitialStates() =>
            [.. model.Blocks.SelectMany(block => ((RecurrentMixer)block.Mixer).InitialState!.Value.ToArray())];
    }

    private static MambaLanguageModel Model(Device device) => new(
        device,
        new()
        {
            VocabularySize = 12,
            Layers =
            [
                new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true },
                new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, LearnableInitialState = true },
            ],
        },
        new Random(1));

    private static RecurrentMixer Create(string name, Device device)
    {
        RecurrentMixer mixer = (RecurrentMixer)Mixers.Create(name, device);
        Parameter initial = mixer.LearnInitialState();
        initial.Value.CopyFrom(Samples.Normal(4, (int)initial.Value.Shape.Count));
        return mixer;
    }

    private static float[] Gradient(RecurrentMixer mixer, Func<LayerState?> makeState, float[]? upstream = null)
    {
        Device device = mixer.Device;
        mixer.ClearGradients();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        LayerState? state = makeState();
        DeviceArray y = mixer.Forward(Input(device), state);
        tape.Backward((y, device.Array(y.Shape, upstream ?? Samples.Normal(5, (int)y.Shape.Count))));
        state?.Detach();
        return tape.GradientOf(mixer.InitialState!.Value).ToArray();
    }

    private static float[] Values() => Samples.Normal(3, Batch * Length * Mixers.ModelDim);

    private static float[] FirstTokens() => [.. Enumerable.Range(0, Batch).SelectMany(
        row => Values().Skip(row * Length * Mixers.ModelDim).Take(Mixers.ModelDim))];

    private static DeviceArray Input(Device device) => device.Array([Batch, Length, Mixers.ModelDim], Values());
}
