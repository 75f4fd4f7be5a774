using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Devices;

/// <summary>Several threads with one model: each with a state of its own computes what it computes alone.</summary>
public sealed class ThreadedModelTests
{
    private const int Vocabulary = 300;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Threads_decode_with_one_model_to_the_bits_of_each_alone(int workers)
    {
        using CpuDevice device = new(workers);
        using MambaLanguageModel model = new(device, Config(), new Random(1));
        float[][] alone = [.. Enumerable.Range(0, 3).Select(text => Decode(model, text, steps: 60))];
        for (int round = 0; round < 8; round++)
        {
            float[][] together = new float[alone.Length][];
            Threads.RunAll(
                [.. Enumerable.Range(0, 3).Select(text => (Action)(() => together[text] = Decode(model, text, 60)))]);
            for (int text = 0; text < alone.Length; text++)
            {
                together[text].ShouldHaveTheBitsOf(alone[text], $"text {text} in round {round}");
            }
        }

        device.ContextCount.Should().BeLessThanOrEqualTo(3);
    }

    [Fact]
    public void Threads_decode_with_recorded_steps_to_the_bits_of_each_alone()
    {
        using ReferenceDevice device = new() { Records = true };
        using MambaLanguageModel model = new(device, Config(attention: false), new Random(1));
        float[] one = Decode(model, 1, steps: 12), two = Decode(model, 2, steps: 12);
        for (int round = 0; round < 4; round++)
        {
            float[] a = [], b = [];
            Threads.RunAll(() => a = Decode(model, 1, 12), () => b = Decode(model, 2, 12));
            a.ShouldHaveTheBitsOf(one);
            b.ShouldHaveTheBitsOf(two);
        }
    }

    [Fact]
    public async Task Texts_are_generated_at_once_on_the_thread_pool()
    {
        using CpuDevice device = new(2);
        using MambaLanguageModel model = new(device, Config(), new Random(1));
        int[][] alone = new int[4][];
        for (int text = 0; text < alone.Length; text++)
        {
            alone[text] = await Generate(model, text);
        }

        int[][] together = await Task.WhenAll(Enumerable.Range(0, 4).Select(
            text => Task.Run(() => Generate(model, text), TestContext.Current.CancellationToken)));

        together.Should().BeEquivalentTo(alone, options => options.WithStrictOrdering());
    }

    [Fact]
    public void A_step_beside_another_thread_allocates_nothing_on_the_managed_heap()
    {
        using CpuDevice device = new(2);
        using MambaLanguageModel model = new(device, Config(attention: false), new Random(1));
        using ModelState mine = model.CreateState(), theirs = model.CreateState();
        using ManualResetEventSlim warm = new();
        bool isDone = false;
        long allocated = -1;
        Threads.RunAll(
            () =>
            {
                float[] logits = new float[Vocabulary];
                for (int i = 0; !Volatile.Read(ref isDone); i++)
                {
                    model.Step([i % Vocabulary], theirs, logits);
                    if (i == 5)
                    {
                        warm.Set();
                    }
                }
            },
            () =>
            {
                warm.Wait();
                using DeviceScope scope = device.Scope(); // keeps the context
                float[] logits = new float[Vocabulary];
                Steps(5);
                allocated = Allocations.Of(() => Steps(50));
                Volatile.Write(ref isDone, true);

                void Steps(int count)
                {
                    for (int i = 0; i < count; i++)
                    {
                        model.Step([i], mine, logits);
                    }
                }
            });

        allocated.Should().Be(0);
    }

    [Fact]
    public void A_state_that_two_threads_use_is_refused_by_name_and_stays_whole()
    {
        using CpuDevice device = new(2);
        using MambaLanguageModel model = new(device, Config(), new Random(1));
        using ModelState state = model.CreateState();
        int refused = 0, done = 0;
        Action work = () =>
        {
            float[] logits = new float[Vocabulary];
            for (int i = 0; i < 150; i++)
            {
                try
                {
                    Use(model, state, i, logits);
                    Interlocked.Increment(ref done);
                }
                catch (InvalidOperationException exception)
                {
                    exception.Message.Should().Match(
                        "This *State is *; this is thread *a state of its own, or a clone*");
                    Interlocked.Increment(ref refused);
                }
            }
        };

        Threads.RunAll(work, work, work);

        done.Should().BePositive();
        refused.Should().BePositive("three threads use one state without a pause");
        using ModelState copy = state.Clone();
        float[] one = new float[Vocabulary], two = new float[Vocabulary];
        model.Step([5], state, one);
        model.Step([5], copy, two);
        one.ShouldHaveTheBitsOf(two);
        one.Should().AllSatisfy(value => float.IsFinite(value).Should().BeTrue());
    }

    [Fact]
    public void A_state_that_one_thread_has_taken_is_refused_to_another()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config(), new Random(1));
        using ModelState state = model.CreateState(), other = model.CreateState();
        using MemoryStream stream = new();
        other.Save(stream);
        stream.Position = 0;
        float[] logits = new float[Vocabulary];
        using (ModelStateUse use = new(state))
        {
            Threads.Run(() =>
            {
                Action[] uses =
                [
                    () => model.Step([1], state, logits), () => model.Prefill([1, 2], state, logits),
                    () => state.Clone().Dispose(), () => state.CopyFrom(other), () => other.CopyFrom(state),
                    () => other.CopySlot(0, state, 0), () => state.Detach(), () => state.Save(new MemoryStream()),
                    () => state.Load(stream), () => _ = state.Layers[0].Arrays,
                    () =>
                    {
                        using DeviceScope scope = device.Scope();
                        model.Blocks[0].Step(device.Zeros([1, 1, 48]), state.Layers[0]);
                    },
                ];
                uses.Should().AllSatisfy(refused => refused.Should().Throw<InvalidOperationException>()
                    .WithMessage("*State is in use by thread *"));
            });
            model.Step([1], state, logits); // the same thread may
        }

        Threads.Run(() => model.Step([1], state, logits));
        state.Positions.Should().Equal(2);
    }

    [Fact]
    public void A_state_may_be_cloned_by_several_threads_at_once()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config(), new Random(1));
        using ModelState prefix = model.CreateState();
        float[] expected = new float[Vocabulary];
        model.Prefill([1, 2, 3], prefix, expected);
        using (ModelState fork = prefix.Clone())
        {
            model.Step([4], fork, expected);
        }

        Action work = () =>
        {
            float[] logits = new float[Vocabulary];
            for (int i = 0; i < 100; i++)
            {
                using ModelState fork = prefix.Clone();
                model.Step([4], fork, logits);
                logits.ShouldHaveTheBitsOf(expected);
            }
        };
        Threads.RunAll(work, work, work);
    }

    [Fact]
    public void A_step_whose_pool_another_context_warmed_guards_its_state()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config(attention: false), new Random(1));
        using ModelState warm = model.CreateState(), cold = model.CreateState();
        float[] logits = new float[Vocabulary], expected = new float[Vocabulary];
        using DeviceScope scope = device.Scope();
        for (int i = 0; i < 3; i++)
        {
            model.Step([i], warm, logits);
        }

        Threads.Run(() => // in another context, with an empty pool
        {
            int failures = -1;
            Exception? failure;
            do
            {
                device.AllocationsLeft = ++failures;
                failure = Record.Exception(() => model.Step([1], cold, logits));
                device.AllocationsLeft = null;
                cold.RequireUsable();
                device.TrimPool();
            }
            while (failure is InsufficientMemoryException);

            failure.Should().BeNull();
            failures.Should().BeGreaterThan(20);
            using ModelState fresh = model.CreateState();
            model.Step([1], fresh, expected);
            logits.ShouldHaveTheBitsOf(expected);
        });
    }

    private static void Use(MambaLanguageModel model, ModelState state, int i, float[] logits)
    {
        switch (i % 4)
        {
            case 0:
                model.Prefill([1, 2, 3, i], state, logits);
                break;
            case 1:
                using (ModelState clone = state.Clone())
                {
                    state.CopyFrom(clone);
                }

                break;
            default:
                model.Step([i], state, logits);
                break;
        }
    }

    private static float[] Decode(MambaLanguageModel model, int text, int steps)
    {
        using ModelState state = model.CreateState();
        float[] logits = new float[Vocabulary], all = new float[Vocabulary * 4];
        model.Prefill([1 + text, 2, 3 + text], state, logits);
        for (int i = 0; i < steps; i++)
        {
            model.Step([((7 * i) + (31 * text)) % Vocabulary], state, logits);
            logits.CopyTo(all, Vocabulary * (i % 4));
        }

        return all;
    }

    private static async Task<int[]> Generate(MambaLanguageModel model, int text)
    {
        List<int> tokens = [];
        await foreach (int token in model.GenerateAsync(
            new[] { 1 + text, 2 }, new() { MaxTokens = 40, StopTokens = [] }))
        {
            tokens.Add(token);
            await Task.Yield();
        }

        return [.. tokens];
    }

    private static LanguageModelConfig Config(bool attention = true) => new()
    {
        VocabularySize = Vocabulary,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 48 },
            new Mamba2MixerOptions { ModelDim = 48, StateDim = 16, HeadDim = 16 },
            .. attention ? new MixerOptions[] { new AttentionMixerOptions { ModelDim = 48, Heads = 4 } } : [],
        ],
    };
}
