using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Tests.Models;

/// <summary>
/// What a tape has read of a state stays as it was until the tape has gone backward, whatever becomes of the state.
/// </summary>
public sealed class StateUnderTapeTests
{
    private static readonly int[] Prompt = [5, 6, 7], Text = [1, 2, 3, 4];

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 6, StateDim = 4, LearnableInitialState = true },
            new Mamba2MixerOptions { ModelDim = 6, StateDim = 4, HeadDim = 4 },
            new AttentionMixerOptions { ModelDim = 6, Heads = 2, ConvWidth = 3 },
        ],
    };

    public static TheoryData<string, bool> Changes
    {
        get
        {
            TheoryData<string, bool> changes = [];
            foreach (string change in new[]
                { "detach", "step", "prefill", "generate", "copy", "slot", "dispose", "load" })
            {
                changes.Add(change, false);
                changes.Add(change, true);
            }

            return changes;
        }
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_state_that_changes_before_backward_does_not_change_the_gradients(string change, bool recompute)
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1)) { RecomputeActivations = recompute };
        using ModelState other = model.CreateState();
        float[] logits = new float[16];
        model.Prefill([9, 8, 7], other, logits); // as long as the prompt, for attention, and another text
        using MemoryStream saved = new();
        other.Save(saved);
        float[] expected = GradientsAfter(isChanged: false);

        for (int round = 0; round < 3; round++)
        {
            GradientsAfter(isChanged: true).ShouldHaveTheBitsOf(expected, $"{change}, round {round}");
        }

        float[] GradientsAfter(bool isChanged)
        {
            ModelState state = model.CreateState();
            model.Prefill(Prompt, state, logits);
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            model.ClearGradients();
            DeviceArray loss = model.Loss(Text, 1, state);
            if (isChanged)
            {
                Change(state);
            }

            tape.Backward(loss);
            if (!isChanged || change != "dispose")
            {
                state.Detach(); // before the scope ends
                model.Step([1], state, logits);
                state.Dispose();
            }

            return GradientsOf(model);
        }

        void Change(ModelState state)
        {
            switch (change)
            {
                case "detach":
                    state.Detach();
                    break;
                case "step":
                    model.Step([2], state, logits);
                    model.Step([3], state, logits);
                    break;
                case "prefill":
                    model.Prefill([9, 8], state, logits);
                    break;
                case "generate":
                    GenerationOptions options = new() { MaxTokens = 4, Sampling = SamplingOptions.Greedy };
                    model.GenerateAsync(new int[] { 3 }, options, state, TestContext.Current.CancellationToken)
                        .ToBlockingEnumerable().Should().HaveCount(4);
                    break;
                case "copy":
                    state.CopyFrom(other);
                    break;
                case "slot":
                    state.Detach();
                    model.Step([2], other, logits); // of the same number of tokens, for attention
                    state.CopyFrom(other);
                    state.CopySlot(0, other, 0);
                    break;
                case "load":
                    saved.Position = 0;
                    state.Load(saved);
                    break;
                default:
                    state.Dispose();
                    break;
            }
        }
    }

    [Fact]
    public void Truncated_back_propagation_in_one_tape_is_that_of_detached_clones()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));

        float[] expected = Gradients(clones: true), actual = Gradients(clones: false);

        actual.ShouldHaveTheBitsOf(expected);

        float[] Gradients(bool clones)
        {
            using ModelState state = model.CreateState();
            model.Prefill(Prompt, state, new float[16]);
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            model.ClearGradients();
            DeviceArray first = model.Loss(Text, 1, state);
            state.Detach();
            using ModelState clone = state.Clone();
            ModelState second = clones ? clone : state;
            DeviceArray loss = Functions.Add(first, model.Loss(Text, 1, second));
            second.Detach();
            tape.Backward(loss);
            return GradientsOf(model);
        }
    }

    [Fact]
    public void Memory_that_a_tape_has_read_is_freed_with_the_tape()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        List<long> bytes = [];
        for (int i = 0; i < 8; i++)
        {
            using (DeviceScope scope = device.Scope())
            {
                using Tape tape = new(device);
                DeviceArray loss = model.Loss(Text, 1, state);
                state.Detach();
                model.Prefill(Prompt, state, logits);
                if (i % 2 == 0)
                {
                    tape.Backward(loss);
                }
            }

            using ModelState fresh = model.CreateState();
            state.CopyFrom(fresh);
            bytes.Add(device.AllocatedBytes);
        }

        bytes[^1].Should().Be(bytes[3]);
    }

    [Fact]
    public void A_step_that_a_device_replays_is_not_undone_by_the_initial_state()
    {
        using Device device = TestDevice.Open();
        using MambaMixer mixer = new(device, new() { ModelDim = 6, LearnableInitialState = true }, new Random(1));
        using LayerState template = mixer.CreateState(1), state = mixer.CreateState(1);
        mixer.Forward(device.Zeros([1, 2, 6]), state);
        state.CopyFrom(template);

        state.PrepareStep();
        device.Fill(((MixerState)state).Hidden, 5f); // a replay writes without the state's knowledge
        using LayerState clone = state.Clone();
        clone.Refresh();

        ((MixerState)clone).Hidden.ToArray().Should().OnlyContain(value => value == 5);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_fresh_state_begins_with_the_initial_state_of_the_model_that_reads(bool learns)
    {
        using Device device = TestDevice.Open();
        LanguageModelConfig config = Config with
        {
            Layers = [new MambaMixerOptions { ModelDim = 6, StateDim = 4, LearnableInitialState = learns }],
        };
        using MambaLanguageModel model = new(device, config, new Random(1)), other = new(device, Config with
        {
            Layers = [new MambaMixerOptions { ModelDim = 6, StateDim = 4, LearnableInitialState = true }],
        }, new Random(2));
        Parameter foreign = ((RecurrentMixer)other.Blocks[0].Mixer).InitialState!;
        foreign.Value.CopyFrom(Samples.Normal(1, (int)foreign.Value.Shape.Count));
        using ModelState own = model.CreateState(), prefilled = other.CreateState(), stepped = other.CreateState();
        float[] expected = new float[16], logits = new float[16];
        model.Prefill([3], own, expected);

        model.Prefill([3], prefilled, logits);
        logits.ShouldHaveTheBitsOf(expected);
        other.Dispose();
        model.Step([3], stepped, logits);
        logits.ShouldBeClose(expected, 1e-5);
    }

    [Fact]
    public void A_tape_whose_scope_ends_while_it_is_suspended_is_over()
    {
        using Device device = TestDevice.OpenBare();
        DeviceScope scope = device.Scope();
        Tape tape = new(device);
        Tape.Suspension suspension = tape.Suspend();
        scope.Dispose();

        suspension.Dispose();

        device.Tape.Should().BeNull();
        using DeviceScope next = device.Scope();
        using Tape other = new(device);
        tape.Dispose();
        device.Tape.Should().BeSameAs(other);
    }

    [Fact]
    public void A_step_that_is_refused_before_it_has_changed_anything_leaves_the_state()
    {
        using Device device = TestDevice.Open(), foreign = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using MambaLanguageModel elsewhere = new(foreign, Config, new Random(1));
        using ModelState warm = elsewhere.CreateState(), state = model.CreateState();
        float[] logits = new float[16], expected = new float[16];
        for (int i = 0; i < 6; i++)
        {
            elsewhere.Step([1], warm, logits);
            model.Step([1], state, logits);
        }

        using ModelState before = state.Clone();
        model.Step([2], before, expected);
        elsewhere.Invoking(m => m.Step([2], state, logits)).Should().Throw<ArgumentException>()
            .WithMessage("The model is on*the state is on*");
        SequenceMixer mixer = model.Blocks[0].Mixer;
        mixer.Invoking(m => m.Step(foreign.Array([1, 1, 6], new float[6]), state.Layers[0])).Should()
            .Throw<ArgumentException>();

        model.Step([2], state, logits);
        logits.ShouldHaveTheBitsOf(expected);
    }

    private static float[] GradientsOf(MambaLanguageModel model) =>
    [
        .. model.Parameters
            .Where(named => named.Parameter.Gradient.Exists) // not that of the initial state, which was read before
            .SelectMany(named => named.Parameter.Gradient.ToArray()),
    ];
}
