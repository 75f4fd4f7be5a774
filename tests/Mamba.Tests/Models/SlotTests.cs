using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Operations;
using Mamba.Tests.Layers;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Models;

/// <summary>A pool of texts, of which each step names some.</summary>
public sealed class SlotTests
{
    private const int Vocabulary = 16, Pool = 8;

    private static readonly Dictionary<string, MixerOptions[]> Schedules = new()
    {
        ["mamba1"] = [new MambaMixerOptions { ModelDim = 8, StateDim = 4, LearnableInitialState = true }],
        ["mamba2"] = [new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 }],
        ["s4d"] = [new S4dMixerOptions { ModelDim = 8, StateDim = 4 }],
        ["attention"] = [new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 4, RotaryDim = 4 }],
        ["hybrid"] =
        [
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4, LearnableInitialState = true },
            new AttentionMixerOptions { ModelDim = 8, Heads = 4, KeyValueHeads = 2, HeadDim = 4, ConvWidth = 3 },
            new MambaMixerOptions { ModelDim = 8, StateDim = 4 },
        ],
    };

    public static TheoryData<string> Names => [.. Schedules.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Texts_that_begin_and_end_between_steps_give_the_bits_of_each_alone(string name)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, name);
        RunConversations(model, steps: TestDevice.IsCpu ? 40 : 12);
    }

    [Theory]
    [InlineData("mamba1")]
    [InlineData("mamba2")]
    [InlineData("hybrid")]
    public void So_they_do_on_a_device_that_records(string name)
    {
        using ReferenceDevice device = new() { Records = true };
        using MambaLanguageModel model = Model(device, name);

        RunConversations(model, steps: 40);

        device.Replays.Should().BeGreaterThanOrEqualTo(name == "hybrid" ? 0 : 20);
    }

    [Fact]
    public void Steps_of_changing_numbers_of_texts_are_replayed_each()
    {
        using ReferenceDevice device = new() { Records = true };
        using MambaLanguageModel model = Model(device, "mamba2");
        using ModelState pool = model.CreateState(4);
        float[] logits = new float[4 * Vocabulary];
        StateSlots[] slots = [StateSlots.Of(2), StateSlots.Of(0, 3), StateSlots.Of(3, 2, 1)];
        for (int i = 0; i < 10; i++)
        {
            foreach (StateSlots some in slots)
            {
                model.Step(new int[some.Count], pool, logits, some);
            }

            model.Step(new int[4], pool, logits);
        }

        device.Replays.Should().Be(4 * 9); // the first of each is computed
        pool.Positions.Should().Equal(20, 20, 30, 30);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_step_over_slots_allocates_nothing(string name)
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Slots are copied to a GPU.");
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, name);
        using ModelState pool = model.CreateState(Pool), one = model.CreateState();
        float[] logits = new float[Pool * Vocabulary];
        model.Prefill(new int[600], one, logits);
        pool.CopySlot(5, one, 0);
        StateSlots[] slots = [StateSlots.Of(5, 1), StateSlots.Of(7, 5, 0)];
        int[] two = [3, 4], three = [3, 4, 5];
        Steps();

        Allocations.Of(Steps).Should().Be(0);

        void Steps()
        {
            for (int i = 0; i < 20; i++)
            {
                model.Step(two, pool, logits, slots[0]);
                model.Step(three, pool, logits, slots[1]);
            }
        }
    }

    [Fact]
    public void Slots_that_do_not_fit_are_refused_and_change_nothing()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, "hybrid");
        using ModelState pool = model.CreateState(3);
        float[] logits = new float[3 * Vocabulary];
        model.Step([1, 2, 3], pool, logits);
        float[] before = StateValues.Of(pool);

        Step([1, 2], 0).Should().Throw<ArgumentException>().WithMessage("Expected 2 slots*found 1*");
        Step([1, 2], 0, 3).Should().Throw<ArgumentException>().WithMessage("Slot 3 lies outside a pool of 3*");
        Step([1, 2], 1, 1).Should().Throw<ArgumentException>().WithMessage("*row 1 twice*");
        Step([1, 99], 1, 2).Should().Throw<ArgumentException>().WithMessage("Token id 99*");
        FluentActions.Invoking(() => model.Step([1, 2], pool, new float[17], StateSlots.Of(0, 1)))
            .Should().Throw<ArgumentException>().WithMessage("Expected room for 32 logits*");
        StateValues.Of(pool).Should().Equal(before);
        pool.Positions.Should().Equal(1, 1, 1);

        Action Step(int[] ids, params int[] rows) => () => model.Step(ids, pool, logits, StateSlots.Of(rows));
    }

    [Fact]
    public void A_slot_of_a_state_that_another_thread_uses_is_refused()
    {
        using ReferenceDevice device = TestDevice.Reference();
        using MambaLanguageModel model = Model(device, "hybrid");
        using ModelState pool = model.CreateState(3);
        using StateUse use = new(pool.Layers[1]);
        Exception? refusal = null;
        Thread other = new(() => refusal = Record.Exception(
            () => model.Step([1], pool, new float[Vocabulary], StateSlots.Of(2))));

        other.Start();
        other.Join();

        refusal.Should().BeOfType<InvalidOperationException>().Which.Message.Should().Contain("in use by thread");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_step_over_slots_that_fails_leaves_all_texts_as_they_were(string name)
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = Model(device, name);
        using ModelState pool = model.CreateState(4), one = model.CreateState();
        float[] logits = new float[2 * Vocabulary];
        StateSlots slots = StateSlots.Of(3, 1);
        model.Prefill([1, 2, 3], one, logits);
        pool.CopySlot(3, one, 0);
        model.Step([4, 5], pool, logits, slots);
        float[] before = StateValues.Of(pool);
        int failures = 0;
        for (; failures < 1000; failures++)
        {
            device.TrimPool();
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => model.Step([6, 7], pool, logits, slots));
            device.AllocationsLeft = null;
            if (failure is null)
            {
                break;
            }

            failure.Should().BeOfType<InsufficientMemoryException>();
            StateValues.Of(pool).Should().Equal(before);
            pool.Positions.Should().Equal(0, 1, 0, 4);
        }

        failures.Should().BeInRange(5, 999);
        pool.Positions.Should().Equal(0, 2, 0, 5);
    }

    [Theory]
    [MemberData(nameof(Mixers.Names), MemberType = typeof(Mixers))]
    public void Every_mixer_steps_over_slots_as_over_states_of_their_own(string name)
    {
        using Device device = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, device);
        using LayerState pool = Mixers.RandomState(mixer, 5, 1), part = mixer.CreateState(2);
        int[] rows = [4, 1];
        float[][] others = [.. new[] { 0, 2, 3 }.Select(slot => StateValues.Of(pool, slot))];
        for (int i = 0; i < 2; i++)
        {
            part.CopySlot(i, pool, rows[i]);
        }

        for (int t = 0; t < 3; t++)
        {
            DeviceArray x = device.Array([2, 1, Mixers.ModelDim], Samples.Normal(t, 2 * Mixers.ModelDim));

            float[] y = mixer.Step(x, pool, StateSlots.Of(rows)).ToArray();

            y.ShouldHaveTheBitsOf(mixer.Step(x, part).ToArray());
        }

        for (int i = 0; i < 2; i++)
        {
            StateValues.Of(pool, rows[i]).ShouldHaveTheBitsOf(StateValues.Of(part, i));
        }

        new[] { 0, 2, 3 }.Select(slot => StateValues.Of(pool, slot)).Should().BeEquivalentTo(
            others, options => options.WithStrictOrdering());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_text_is_forked_within_the_pool(string name)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, name);
        using ModelState pool = model.CreateState(3), alone = model.CreateState();
        float[] logits = new float[2 * Vocabulary], expected = new float[Vocabulary];
        model.Prefill([1, 2, 3], alone, expected);
        pool.CopySlot(2, alone, 0);

        pool.CopySlot(0, pool, 2);
        model.Step([5, 6], pool, logits, StateSlots.Of(0, 2));

        foreach ((int token, int i) in new[] { (5, 0), (6, 1) })
        {
            using ModelState fork = alone.Clone();
            model.Step([token], fork, expected);
            logits.AsSpan(i * Vocabulary, Vocabulary).ToArray().ShouldBeAsAlone(expected);
        }

        pool.Positions.Should().Equal(4, 0, 4);
    }

    [Fact]
    public void Under_a_tape_a_step_over_slots_is_refused()
    {
        using Device device = TestDevice.Open();
        foreach (string name in new[] { "mamba1", "attention" })
        {
            using SequenceMixer mixer = Mixers.Create(name, device);
            using LayerState pool = mixer.CreateState(3);
            using DeviceScope scope = device.Scope();
            using Mamba.Autograd.Tape tape = new(device);

            Action step = () => mixer.Step(device.Zeros([1, 1, Mixers.ModelDim]), pool, StateSlots.Of(2));

            step.Should().Throw<InvalidOperationException>().WithMessage("*slots*no gradient*");
        }
    }

    private static MambaLanguageModel Model(Device device, string name)
    {
        MambaLanguageModel model = new(
            device, new() { VocabularySize = Vocabulary, Layers = Schedules[name], MlpDim = 6 }, new Random(1));
        foreach ((string parameter, Parameter weights) in model.Parameters)
        {
            if (parameter.EndsWith("initial_state", StringComparison.Ordinal))
            {
                weights.Value.CopyFrom(Samples.Normal(7, (int)weights.Value.Shape.Count));
            }
        }

        return model;
    }

    /// <summary>Begins, continues and ends texts in a random order, each beside the same text alone.</summary>
    private static void RunConversations(MambaLanguageModel model, int steps)
    {
        Random random = new(3);
        using ModelState pool = model.CreateState(Pool), fresh = model.CreateState();
        ModelState?[] alone = new ModelState?[Pool];
        float[] logits = new float[Pool * Vocabulary], expected = new float[Vocabulary];
        for (int step = 0; step < steps; step++)
        {
            for (int slot = 0; slot < Pool; slot++)
            {
                if (alone[slot] is null && random.Next(3) == 0)
                {
                    alone[slot] = model.CreateState();
                    int[] prompt = [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next(Vocabulary))];
                    if (prompt.Length > 0)
                    {
                        model.Prefill(prompt, alone[slot]!, expected);
                    }

                    pool.CopySlot(slot, alone[slot]!, 0);
                }
                else if (alone[slot] is not null && random.Next(8) == 0)
                {
                    alone[slot]!.Dispose();
                    alone[slot] = null;
                }
            }

            int[] rows = [.. Enumerable.Range(0, Pool).Where(slot => alone[slot] is not null && random.Next(4) > 0)];
            random.Shuffle(rows);
            int[] ids = [.. rows.Select(_ => random.Next(Vocabulary))];
            if (rows.Length == 0)
            {
                continue;
            }

            model.Step(ids, pool, logits, StateSlots.Of(rows));

            for (int i = 0; i < rows.Length; i++)
            {
                ModelState own = alone[rows[i]]!;
                model.Step([ids[i]], own, expected);
                logits.AsSpan(i * Vocabulary, Vocabulary).ToArray().ShouldBeAsAlone(expected);
                pool.Positions[rows[i]].Should().Be(own.Positions[0]);
                pool.Layers[^1].LengthOf(rows[i]).Should().Be(own.Layers[^1].LengthOf(0));
            }
        }

        foreach (ModelState? state in alone)
        {
            state?.Dispose();
        }
    }
}
