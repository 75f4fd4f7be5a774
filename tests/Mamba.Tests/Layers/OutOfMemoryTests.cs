using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Layers;

/// <summary>
/// Whatever fails for lack of memory, at whichever allocation, leaves states, weights and memory as they were.
/// </summary>
public sealed class OutOfMemoryTests
{
    private const int Most = 1000;

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 12,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 6, LearnableInitialState = true },
            new Mamba2MixerOptions { ModelDim = 6, StateDim = 4, HeadDim = 4 },
            new AttentionMixerOptions { ModelDim = 6, Heads = 2, ConvWidth = 3 },
            new S4dMixerOptions { ModelDim = 6 },
        ],
        MlpDim = 5,
    };

    [Theory]
    [InlineData("prefill")]
    [InlineData("step")]
    [InlineData("forward")]
    [InlineData("copy")]
    public void A_state_is_as_it_was_after_every_failure(string call)
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState(2), longer = model.CreateState(2);
        float[] logits = new float[24], expected = new float[24];
        model.Prefill([1, 2, 3, 4], state, logits);
        model.Prefill([1, 2, 3, 4, 5, 6], longer, logits);
        using ModelState before = state.Clone();
        using (ModelState whole = state.Clone())
        {
            Call(whole, expected);
        }

        int failures = 0;
        for (; failures < Most; failures++)
        {
            device.TrimPool();
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => Call(state, logits));
            device.AllocationsLeft = null;
            if (failure is null)
            {
                break;
            }

            failure.Should().BeOfType<InsufficientMemoryException>();
            Values(state).Should().Equal(Values(before));
            state.Positions.Should().Equal(before.Positions);
        }

        failures.Should().BeInRange(1, Most - 1);
        logits.ShouldHaveTheBitsOf(expected);

        void Call(ModelState target, float[] into)
        {
            switch (call)
            {
                case "prefill":
                    model.Prefill([5, 6, 7, 8], target, into);
                    break;
                case "step":
                    model.Step([5, 6], target, into);
                    break;
                case "copy":
                    target.CopyFrom(longer);
                    into.AsSpan().Clear();
                    break;
                default:
                    using (device.Scope())
                    {
                        DeviceArray all = model.Forward([5, 6, 7, 8], 2, target);
                        all.ToArray().AsSpan(0, 24).CopyTo(into);
                    }

                    break;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Mixers.Names), MemberType = typeof(Mixers))]
    public void So_is_the_state_of_a_mixer_by_itself(string name)
    {
        foreach (int length in new[] { 1, 4 })
        {
            using ReferenceDevice device = new();
            using SequenceMixer mixer = Mixers.Create(name, device);
            using LayerState state = Mixers.RandomState(mixer, 2, 1), before = state.Clone();
            DeviceArray x = device.Array([2, length, Mixers.ModelDim], Samples.Normal(3, 2 * length * Mixers.ModelDim));
            int failures = 0;
            for (; failures < Most; failures++)
            {
                device.TrimPool();
                device.AllocationsLeft = failures;
                Exception? failure = Record.Exception(Call);
                device.AllocationsLeft = null;
                if (failure is null)
                {
                    break;
                }

                failure.Should().BeOfType<InsufficientMemoryException>();
                Values(state).Should().Equal(Values(before));
            }

            failures.Should().BeInRange(3, Most - 1);
            if (state.Arrays.Count > 0)
            {
                Values(state).Should().NotEqual(Values(before));
            }

            void Call()
            {
                using DeviceScope scope = device.Scope();
                _ = length == 1 ? mixer.Step(x, state) : mixer.Forward(x, state);
            }
        }
    }

    [Fact]
    public void A_step_that_fails_though_the_one_before_found_its_memory_says_that_the_state_is_lost()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config with { Layers = [Config.Layers[0]] }, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[12];
        for (int i = 0; i < 3; i++)
        {
            model.Step([i], state, logits);
        }

        using ModelState clone = state.Clone();
        using DeviceScope scope = device.Scope();
        for (int i = 0; i < 100 * 32; i++)
        {
            device.Allocate([64 * (1 + (i % 32))]); // what the step found in the pool, and more
        }

        device.AllocationsLeft = 5;
        Action step = () => model.Step([3], state, logits);
        step.Should().Throw<InsufficientMemoryException>();
        device.AllocationsLeft = null;

        step.Should().Throw<InvalidOperationException>()
            .WithMessage("A step over this state failed half way*Copy a clone*");
        state.Invoking(s => s.Clone()).Should().Throw<InvalidOperationException>().WithMessage("*failed half way*");
        state.CopyFrom(clone);
        step.Should().NotThrow();
    }

    [Fact]
    public void A_step_after_the_pool_was_emptied_leaves_the_state_as_it_was_if_it_fails()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config with { Layers = [Config.Layers[0]] }, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[12], expected = new float[12];
        for (int i = 0; i < 3; i++)
        {
            model.Step([i], state, logits);
        }

        using ModelState clone = state.Clone();
        device.TrimPool();
        device.AllocationsLeft = 12; // enough for the clone that guards the state, and for a part of the step
        FluentActions.Invoking(() => model.Step([3], state, logits)).Should().Throw<InsufficientMemoryException>();
        device.AllocationsLeft = null;

        model.Step([3], state, logits);
        model.Step([3], clone, expected);
        logits.ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void What_cannot_be_made_leaves_no_memory_behind()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        Func<IDisposable>[] makers =
        [
            () => new MambaLanguageModel(device, Config, new Random(1)),
            () => model.CreateState(2), () => new AdamW(model, new()),
            () => new MovingAverage(model, 0.5),
            () => new GradientBuckets(model, 64), () => model.Blocks[2].Mixer.CreateState(2),
        ];
        foreach (Func<IDisposable> make in makers)
        {
            make().Dispose();
            long before = device.AllocatedBytes;
            int failures = 0;
            for (; failures < Most; failures++)
            {
                device.AllocationsLeft = failures;
                Exception? failure = Record.Exception(() => make().Dispose());
                device.AllocationsLeft = null;
                device.AllocatedBytes.Should().Be(before);
                if (failure is null)
                {
                    break;
                }

                failure.Should().BeOfType<InsufficientMemoryException>();
            }

            failures.Should().BeInRange(1, Most - 1);
        }
    }

    [Fact]
    public void Adapters_are_added_to_all_projections_or_to_none()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        long before = device.AllocatedBytes;
        int failures = 0;
        for (; failures < Most; failures++)
        {
            device.TrimPool();
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => LowRank.Adapt(model, new(), new Random(2)));
            device.AllocationsLeft = null;
            if (failure is null)
            {
                break;
            }

            failure.Should().BeOfType<InsufficientMemoryException>();
            device.AllocatedBytes.Should().Be(before);
            model.Parameters.Should().OnlyContain(named => named.Parameter.IsTrainable);
        }

        failures.Should().BeInRange(3, Most - 1);
        model.Parameters.Where(named => named.Parameter.IsTrainable)
            .Should().OnlyContain(named => named.Name.Contains(".adapter."));
    }

    [Fact]
    public void Averages_are_swapped_whole_or_not_at_all()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using MovingAverage average = new(model, 0.5);
        foreach ((_, Parameter parameter) in model.Parameters)
        {
            parameter.Value.CopyFrom(Samples.Normal(7, (int)parameter.Value.Shape.Count));
        }

        float[] before = Weights();
        device.TrimPool();
        device.AllocationsLeft = 0;

        average.Invoking(a => a.Swap()).Should().Throw<InsufficientMemoryException>();

        device.AllocationsLeft = null;
        Weights().Should().Equal(before);
        average.Swap();
        Weights().Should().NotEqual(before);
        average.Swap();
        Weights().Should().Equal(before);

        float[] Weights() => [.. model.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];
    }

    private static float[] Values(ModelState state) => StateValues.Of(state);

    private static float[] Values(LayerState state) => StateValues.Of(state);
}
