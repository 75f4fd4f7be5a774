using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Optimization;

public sealed class AdamWTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 12,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, StateDim = 4 }, new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 },
        ],
    };

    private static readonly int[] Ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 7];

    [Fact]
    public void Training_matches_the_reference_step_by_step()
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        double[] actual = Losses(tested, 10), expected = Losses(reference, 10);

        // The reference data's bound for a series of losses.
        actual.ShouldBeClose(expected, 2e-6);
    }

    [Fact]
    public void Training_learns_a_short_text_by_heart()
    {
        using Device tested = TestDevice.Open(2);

        double[] losses = Losses(tested, 150);

        losses[0].Should().BeApproximately(Math.Log(12), 0.5);
        losses[^1].Should().BeLessThan(0.05);
    }

    [Fact]
    public void Training_gives_the_same_bits_with_any_number_of_threads()
    {
        using CpuDevice one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);

        Losses(five, 10).Should().Equal(Losses(one, 10));
    }

    [Fact]
    public void Only_matrices_decay()
    {
        using Device tested = TestDevice.Open();
        using MambaLanguageModel model = new(tested, Config, new Random(1));

        IEnumerable<string> decaying = model.Parameters.Where(named => named.Parameter.Decays).Select(
            named => named.Name);

        decaying.Should().BeEquivalentTo(
            "embedding.weight",
            "blocks.0.mixer.in_projection.weight", "blocks.0.mixer.convolution.weight",
            "blocks.0.mixer.x_projection.weight", "blocks.0.mixer.dt_projection.weight",
            "blocks.0.mixer.out_projection.weight",
            "blocks.1.mixer.in_projection.weight", "blocks.1.mixer.convolution.weight",
            "blocks.1.mixer.out_projection.weight");
    }

    [Fact]
    public void A_frozen_parameter_stays_and_has_no_gradient()
    {
        using Device tested = TestDevice.Open();
        using MambaLanguageModel model = new(tested, Config, new Random(1));
        Parameter frozen = model.Blocks[0].Norm.Weight;
        frozen.IsTrainable = false;
        float[] before = frozen.Value.ToArray();
        using AdamW optimizer = new(model, new());

        Step(model, optimizer);

        frozen.Gradient.Exists.Should().BeFalse();
        frozen.Value.ToArray().ShouldHaveTheBitsOf(before);
    }

    [Fact]
    public void Gradients_add_up_until_they_are_cleared()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Config, new Random(1));
        double[] norms = new double[3];
        for (int i = 0; i < norms.Length; i++)
        {
            using DeviceScope scope = tested.Scope();
            using Tape tape = new(tested);
            tape.Backward(model.Loss(Ids));
            norms[i] = Gradients.Norm(model);
            if (i == 1)
            {
                model.ClearGradients();
                Gradients.Norm(model).Should().Be(0);
            }
        }

        norms[1].Should().BeApproximately(2 * norms[0], 1e-5 * norms[0]);
        norms[2].Should().Be(norms[0]);
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(1e9)]
    public void Clipping_limits_the_norm_and_keeps_the_direction(double limit)
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Config, new Random(1));
        using DeviceScope scope = tested.Scope();
        using Tape tape = new(tested);
        tape.Backward(model.Loss(Ids));
        float[] before = model.Embedding.Weight.Gradient.ToArray();

        double norm = Gradients.Clip(model, limit);

        double factor = Math.Min(1, limit / (norm + 1e-6));
        Gradients.Norm(model).Should().BeApproximately(norm * factor, 1e-5 * norm * factor);
        model.Embedding.Weight.Gradient.ToArray().ShouldBeClose(
            Array.ConvertAll(before, value => value * factor), 1e-6, "gradient");
    }

    [Fact]
    public void Memory_does_not_grow_from_step_to_step()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Config, new Random(1));
        using AdamW optimizer = new(model, new());
        Step(model, optimizer);
        long before = tested.AllocatedBytes;

        for (int i = 0; i < 20; i++)
        {
            Step(model, optimizer);
        }

        tested.AllocatedBytes.Should().Be(before);
    }

    [Theory]
    [InlineData(-1.0, 0.9, "LearningRate")]
    [InlineData(1e-3, 1.0, "Beta1")]
    [InlineData(double.NaN, 0.9, "LearningRate")]
    public void Settings_that_make_no_sense_are_refused_by_name(double rate, double beta, string name)
    {
        AdamWOptions options = new() { LearningRate = rate, Beta1 = beta };

        options.Invoking(o => o.Validate()).Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
    }

    private static double[] Losses(Device device, int steps)
    {
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using AdamW optimizer = new(model, new() { LearningRate = 1e-2 });
        double[] losses = new double[steps];
        for (int i = 0; i < steps; i++)
        {
            losses[i] = Step(model, optimizer);
        }

        return losses;
    }

    private static double Step(MambaLanguageModel model, AdamW optimizer)
    {
        using DeviceScope scope = model.Device.Scope();
        using Tape tape = new(model.Device);
        DeviceArray loss = model.Loss(Ids);
        double value = loss.ToArray()[0];
        tape.Backward(loss);
        Gradients.Clip(model, 1);
        optimizer.Step();
        return value;
    }
}
