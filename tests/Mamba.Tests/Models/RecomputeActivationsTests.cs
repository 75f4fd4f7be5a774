using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Operations;

namespace Mamba.Tests.Models;

public sealed class RecomputeActivationsTests
{
    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

    private static readonly LanguageModelConfig Mixed = new()
    {
        VocabularySize = 16,
        MlpDim = 10,
        Layers =
        [
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6, LearnableInitialState = true },
            new AttentionMixerOptions { ModelDim = 12, Heads = 2, HeadDim = 6, RotaryDim = 6 },
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
            new S4dMixerOptions { ModelDim = 12, StateDim = 4 },
        ],
    };

    [Fact]
    public void Loss_and_gradients_keep_their_bits() => ShouldKeepItsBits((model, _) => model.Loss(Ids, 2));

    [Fact]
    public void Packed_texts_keep_their_bits() => ShouldKeepItsBits(
        (model, _) => Functions.Mean(model.Forward(Ids, 1, null, Segments.FromLengths([5, 0, 7]))));

    [Fact]
    public void Texts_that_continue_keep_their_bits() => ShouldKeepItsBits(
        (model, state) => model.Loss(Ids, 2, state));

    [Fact]
    public void Gradients_flow_from_piece_to_piece_with_the_same_bits() => ShouldKeepItsBits((model, state) =>
    {
        model.Forward(Ids.AsSpan(0, 4), 2, state);
        return Functions.Add(model.Loss(Ids.AsSpan(4, 2), 2, state), model.Loss(Ids.AsSpan(6, 6), 2, state));
    });

    [Fact]
    public void The_state_is_left_as_it_is_without()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = new(device, Mixed, new Random(1));

        float[][] expected = StateAfter(), actual;
        model.RecomputeActivations = true;
        actual = StateAfter();

        for (int i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldHaveTheBitsOf(expected[i], $"array {i}");
        }

        float[][] StateAfter()
        {
            using ModelState state = model.CreateState(2);
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Backward(model.Loss(Ids, 2, state));
            state.Detach();
            return [.. state.Layers.SelectMany(layer => layer.Arrays).Select(array => array.ToArray())];
        }
    }

    [Fact]
    public void A_frozen_model_is_not_followed_and_its_state_outlives_the_scope()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Mixed, new Random(1)) { RecomputeActivations = true };
        foreach ((_, Parameter parameter) in model.Parameters)
        {
            parameter.IsTrainable = false;
        }

        using ModelState state = model.CreateState();
        using (device.Scope())
        {
            using Tape tape = new(device);
            model.Forward(Ids, 1, state).RequiresGradient.Should().BeFalse();
        }

        state.Layers[0].Arrays[1].ToArray().Should().Contain(value => value != 0);
    }

    [Fact]
    public void A_deep_model_trains_in_a_fraction_of_the_memory()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "Minutes of emulation, and memory is not the kernels' affair.");
        LanguageModelConfig deep = LanguageModelConfig.Mamba1(16, 16, 16);

        long plain = PeakOf(recompute: false), recomputed = PeakOf(recompute: true);

        // 16 layers' activations, against 16 inputs, which are a twentieth of them, and one layer's activations.
        recomputed.Should().BeLessThan(plain / 4);

        long PeakOf(bool recompute)
        {
            using Device device = TestDevice.Open();
            using MambaLanguageModel model = new(device, deep, new Random(1)) { RecomputeActivations = recompute };
            long before = device.AllocatedBytes;
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Backward(model.Loss([.. Enumerable.Repeat(Ids, 15).SelectMany(ids => ids)], 2));
            return device.AllocatedBytes - before - (sizeof(float) * model.ParameterCount); // their gradients
        }
    }

    private static void ShouldKeepItsBits(Func<MambaLanguageModel, ModelState, DeviceArray> lossOf)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = new(device, Mixed, new Random(1));

        (float[] Loss, List<(string Name, float[] Values)> Gradients) expected = Run(), actual;
        model.RecomputeActivations = true;
        actual = Run();

        actual.Loss.ShouldHaveTheBitsOf(expected.Loss, "loss");
        foreach (((string name, float[] values), (_, float[] exact)) in actual.Gradients.Zip(expected.Gradients))
        {
            values.ShouldHaveTheBitsOf(exact, $"gradient of {name}");
        }

        (float[] Loss, List<(string Name, float[] Values)> Gradients) Run()
        {
            model.ClearGradients();
            using ModelState state = model.CreateState(2);
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray loss = lossOf(model, state);
            tape.Backward(loss);
            return (
                loss.ToArray(),
                [.. model.Parameters.Select(named => (named.Name, tape.GradientOf(named.Parameter.Value).ToArray()))]);
        }
    }
}
