using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Layers;

public sealed class LowRankTests
{
    // Sums of at most 12 products, and one more rounding where weights and correction are added first.
    private const double Tolerance = 2e-6;
    private const double GradientTolerance = 2e-5;

    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6];

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        MlpDim = 10,
        TieEmbeddings = false,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6, Bias = true },
        ],
    };

    private static FunctionCheck Function => new(
        inputs => Functions.LinearWithAdapter(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], 0.7f),
        ([2, 5, 12], Samples.Normal(1, 120)),
        ([7, 12], Samples.Normal(2, 84)),
        ([7], Samples.Normal(3, 7)),
        ([3, 12], Samples.Normal(4, 36)),
        ([7, 3], Samples.Normal(5, 21)));

    [Fact]
    public void An_adapted_map_and_its_gradients_match_the_reference() =>
        Function.ShouldMatchTheReference(Tolerance, GradientTolerance);

    [Fact]
    public void The_reference_has_the_gradients_that_differences_give() =>
        Function.ShouldHaveTheDifferencesAsReferenceGradients();

    [Fact]
    public void Threads_change_no_bit_of_an_adapted_map() => Function.ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void A_new_adapter_changes_no_bit()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        float[] expected = model.Forward(Ids).ToArray(), expectedStep = StepOf(model);

        int count = LowRank.Adapt(model, new(), new Random(2));

        count.Should().Be(5, "there are three projections in Mamba-1, and two in Mamba-2");
        model.Forward(Ids).ToArray().ShouldHaveTheBitsOf(expected);
        StepOf(model).ShouldHaveTheBitsOf(expectedStep);
    }

    [Fact]
    public void Only_adapters_have_gradients()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Adapted(device);

        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        tape.Backward(model.Loss(Ids));

        string[] withGradients = [.. model.Parameters.Where(n => n.Parameter.Gradient.Exists).Select(n => n.Name)];
        withGradients.Should().Equal(
            "blocks.0.mixer.in_projection.adapter.a", "blocks.0.mixer.in_projection.adapter.b",
            "blocks.0.mixer.x_projection.adapter.a", "blocks.0.mixer.x_projection.adapter.b",
            "blocks.0.mixer.out_projection.adapter.a", "blocks.0.mixer.out_projection.adapter.b",
            "blocks.1.mixer.in_projection.adapter.a", "blocks.1.mixer.in_projection.adapter.b",
            "blocks.1.mixer.out_projection.adapter.a", "blocks.1.mixer.out_projection.adapter.b");
        model.Parameters.Should().OnlyContain(n => n.Parameter.IsTrainable == withGradients.Contains(n.Name));
    }

    [Fact]
    public void Merging_keeps_the_function_and_removes_the_adapters()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel plain = new(device, Config, new Random(1));
        float[] before = plain.Forward(Ids).ToArray();
        using MambaLanguageModel model = Adapted(device);
        float[] expected = model.Forward(Ids).ToArray(), expectedStep = StepOf(model);

        LowRank.Merge(model).Should().Be(5);

        model.Forward(Ids).ToArray().ShouldBeClose(expected, Tolerance);
        StepOf(model).ShouldBeClose(expectedStep, Tolerance);
        expected.Should().NotEqual(before);
        model.Parameters.Should().OnlyContain(n => n.Parameter.IsTrainable);
        model.Parameters.Select(n => n.Name).Should().Equal(plain.Parameters.Select(n => n.Name));
        LowRank.Merge(model).Should().Be(0);
        LowRank.Adapt(model, new(), new Random(3)).Should().Be(5, "it can be adapted again");
    }

    [Fact]
    public void A_disposed_model_frees_its_adapters_and_learned_states()
    {
        using Device device = TestDevice.Open();
        long before = device.AllocatedBytes;
        MambaLanguageModel model = new(device, Config, new Random(1));
        LowRank.Adapt(model, new(), new Random(2));
        ((RecurrentMixer)model.Blocks[0].Mixer).LearnInitialState();

        model.Dispose();

        device.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void The_projection_of_delta_is_adapted_and_merged()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        float[] before = model.Forward(Ids).ToArray();
        LowRank.Adapt(model, new() { Rank = 1, Targets = ["dt_projection"] }, new Random(2)).Should().Be(1);
        model.Forward(Ids).ToArray().ShouldHaveTheBitsOf(before);
        LowRankAdapter adapter = ((MambaMixer)model.Blocks[0].Mixer).Ssm.TimeStep.Adapter!;
        adapter.B.Value.CopyFrom(Samples.Normal(3, (int)adapter.B.Value.Shape.Count));
        float[] adapted = model.Forward(Ids).ToArray(), step = StepOf(model);

        LowRank.Merge(model).Should().Be(1);

        model.Forward(Ids).ToArray().ShouldBeClose(adapted, Tolerance);
        StepOf(model).ShouldBeClose(step, Tolerance);
        adapted.Should().NotEqual(before);
    }

    [Fact]
    public void Targets_are_names_or_ends_of_names()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));

        LowRank.Adapt(model, new() { Rank = 2, Targets = ["mlp.in", "head", "mlp.in"] }, new Random(2)).Should().Be(3);

        model.Head!.Adapter!.Rank.Should().Be(2);
        model.Blocks[1].Mlp!.In.Adapter!.A.Value.Shape.ToArray().Should().Equal(2, 12);
        model.Blocks[1].Mlp!.In.Adapter!.B.Value.Shape.ToArray().Should().Equal(20, 2);
        model.Blocks[1].Mlp!.Out.Adapter.Should().BeNull();
    }

    [Theory]
    [InlineData("in_projection", "out_proj")]
    [InlineData("projection", "head")]
    [InlineData("in_projection", "in_projection", "q_proj")]
    public void A_target_that_names_nothing_is_refused_even_beside_others(params string[] targets)
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        string[] before = [.. model.Parameters.Select(n => n.Name)];

        Action adapt = () => LowRank.Adapt(model, new() { Targets = targets }, new Random(2));

        string unknown = targets.Single(target => target is "out_proj" or "projection" or "q_proj");
        adapt.Should().Throw<ArgumentException>().WithMessage(
            $"Targets*found {unknown}. The projections are:*blocks.0.mixer.in_projection*mlp.out*head*");
        model.Parameters.Select(n => n.Name).Should().Equal(before);
        model.Parameters.Should().OnlyContain(n => n.Parameter.IsTrainable);
    }

    [Fact]
    public void A_rank_above_a_matrix_sides_is_allowed()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));

        LowRank.Adapt(model, new() { Rank = 100, Targets = ["head"] }, new Random(2)).Should().Be(1);

        model.Head!.Adapter!.Rank.Should().Be(100);
    }

    [Fact]
    public void What_cannot_be_adapted_is_refused_and_nothing_is_frozen()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config, new Random(1));

        Action Adapting(LowRankOptions options) => () => LowRank.Adapt(model, options, new Random(2));

        Adapting(new() { Targets = ["q_proj"] }).Should().Throw<ArgumentException>()
            .WithMessage("*q_proj*blocks.0.mixer.in_projection*");
        Adapting(new() { Rank = 0 }).Should().Throw<ArgumentException>().WithMessage("*Rank*");
        Adapting(new() { Alpha = double.NaN }).Should().Throw<ArgumentException>().WithMessage("*Alpha*");
        model.Parameters.Should().OnlyContain(n => n.Parameter.IsTrainable);
        Adapting(new() { Targets = ["head"] })();
        Adapting(new()).Should().Throw<InvalidOperationException>().WithMessage("*\"head\"*rank 8*");
    }

    [Fact]
    public void A_step_with_adapters_allocates_nothing_on_the_managed_heap()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Copies to an OpenCL device allocate; CUDA's are tested with a stub.");
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Adapted(device);
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        int[] ids = [7];
        for (int i = 0; i < 5; i++)
        {
            model.Step(ids, state, logits);
        }

        long allocated = Allocations.Of(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                model.Step(ids, state, logits);
            }
        });

        allocated.Should().Be(0);
    }

    [Fact]
    public void Narrow_weights_can_be_adapted_where_activations_are_narrow()
    {
        using GpuDevice narrow = TestDevice.OpenGpu(Precision.BFloat16);
        using CpuDevice full = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(narrow, Config, new Random(1)), exact = new(full, Config, new Random(1));

        model.Narrow();
        Randomize(model);
        Randomize(exact);
        (float[] logits, double[] gradients) = Run(model);
        (float[] expected, double[] expectedGradients) = Run(exact);

        // Eight bits of precision, rounded a few times a layer.
        Distance([.. logits.Select(v => (double)v)], [.. expected.Select(v => (double)v)]).Should().BeLessThan(2e-2);
        Distance(gradients, expectedGradients).Should().BeLessThan(4e-2);
        LowRank.Merge(model);
        Distance([.. model.Forward(Ids).ToArray().Select(v => (double)v)], [.. expected.Select(v => (double)v)])
            .Should().BeLessThan(2e-2);
        model.Head!.Weight.IsTrainable.Should().BeFalse("its weights are narrow");

        static (float[] Logits, double[] Gradients) Run(MambaLanguageModel model)
        {
            using DeviceScope scope = model.Device.Scope();
            using Tape tape = new(model.Device);
            float[] logits = model.Forward(Ids).ToArray();
            tape.Backward(model.Loss(Ids));
            return (
                logits,
                [
                    .. model.Parameters.Where(n => n.Parameter.IsTrainable)
                        .SelectMany(n => ReferenceDevice.ValuesOf(n.Parameter.Gradient)),
                ]);
        }

        static double Distance(double[] actual, double[] expected) =>
            Math.Sqrt(actual.Zip(expected, (a, e) => (a - e) * (a - e)).Sum() / expected.Sum(e => e * e));
    }

    private static MambaLanguageModel Adapted(Device device)
    {
        MambaLanguageModel model = new(device, Config, new Random(1));
        Randomize(model);
        return model;
    }

    /// <summary>Adapts a model, and gives its adapters a B as after some training.</summary>
    private static void Randomize(MambaLanguageModel model)
    {
        LowRank.Adapt(model, new() { Rank = 3, Alpha = 4 }, new Random(2));
        foreach ((string name, Parameter parameter) in model.Parameters)
        {
            if (!name.EndsWith("adapter.b", StringComparison.Ordinal))
            {
                continue;
            }

            parameter.Value.CopyFrom(Samples.Normal(name.Length, (int)parameter.Value.Shape.Count, 0.3));
        }
    }

    private static float[] StepOf(MambaLanguageModel model)
    {
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        model.Step([3], state, logits);
        model.Step([5], state, logits);
        return logits;
    }
}
