using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Operations;
using Mamba.Tests.Layers;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Generation;

/// <summary>Steps that find the likeliest tokens on the device instead of copying the logits.</summary>
public sealed class GreedyStepTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 13,
        VocabularyMultiple = 8,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, LearnableInitialState = true },
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
        ],
    };

    [Fact]
    public void They_are_the_tokens_of_the_sampler()
    {
        using Device device = TestDevice.Open(2);
        ShouldChooseAsTheSampler(device);
    }

    [Fact]
    public void So_they_are_on_a_device_that_records()
    {
        using ReferenceDevice device = new() { Records = true };

        ShouldChooseAsTheSampler(device);

        device.Replays.Should().BeGreaterThan(0);
    }

    [Fact]
    public void Of_equally_likely_tokens_the_lowest_is_chosen()
    {
        using Device device = TestDevice.Open(2);
        using DeviceScope scope = device.Scope();
        DeviceArray found = device.Allocate([2, 3]);
        Likeliest[] likeliest = new Likeliest[3];
        float[] logits = [1f, 3f, 3f, 2f, 9f, -2f, -3f, -2f, -2f, 9f, -0f, -1f, 0f, -1f, 9f];

        Likeliest.Find(device.Array([3, 1, 5], logits), 4, found);
        Likeliest.CopyTo(found, new float[6], likeliest);

        likeliest.Should().Equal(new Likeliest(1, 3f), new Likeliest(0, -2f), new Likeliest(0, 0f));
        likeliest.Should().OnlyContain(one => one.Checked() == one.Token);
    }

    [Fact]
    public void Logits_that_are_not_finite_are_refused_as_by_the_sampler()
    {
        using Device device = TestDevice.Open(2);
        using DeviceScope scope = device.Scope();
        DeviceArray found = device.Allocate([2, 1]);
        float infinity = float.PositiveInfinity;
        float[][] cases = [[1f, float.NaN, 2f], [1f, 2f, infinity], [-infinity, -infinity, -infinity]];
        foreach (float[] logits in cases)
        {
            Likeliest[] likeliest = new Likeliest[1];
            Likeliest.Find(device.Array([1, 1, 3], logits), 3, found);
            Likeliest.CopyTo(found, new float[2], likeliest);

            Action sampled = () => new Sampler(3, SamplingOptions.Greedy).Next(logits);
            string expected = sampled.Should().Throw<ArgumentException>().Which.Message;
            likeliest[0].Invoking(one => one.Checked()).Should().Throw<ArgumentException>().WithMessage(expected);
        }
    }

    [Fact]
    public void They_allocate_nothing_on_the_managed_heap()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Copies to an OpenCL device allocate.");
        using CpuDevice device = new(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState(2);
        Likeliest[] likeliest = new Likeliest[2];
        int[] ids = [3, 4];
        Steps();

        Allocations.Of(Steps).Should().Be(0);

        void Steps()
        {
            for (int i = 0; i < 5; i++)
            {
                model.Step(ids, state, likeliest);
            }
        }
    }

    [Fact]
    public void One_that_fails_for_lack_of_memory_leaves_the_texts_as_they_were()
    {
        using ReferenceDevice device = new();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState(2);
        Likeliest[] likeliest = new Likeliest[2];
        model.Step([1, 2], state, new float[2 * Config.PaddedVocabularySize]);
        float[] before = StateValues.Of(state);
        int failures = 0;
        for (; failures < 1000; failures++)
        {
            device.TrimPool();
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => model.Step([6, 7], state, likeliest));
            device.AllocationsLeft = null;
            if (failure is null)
            {
                break;
            }

            StateValues.Of(state).Should().Equal(before);
        }

        failures.Should().BeInRange(5, 999);
        state.Positions.Should().Equal(2, 2);
    }

    private static void ShouldChooseAsTheSampler(Device device)
    {
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState pool = model.CreateState(4), other = model.CreateState(4);
        Sampler sampler = new(Config.VocabularySize, SamplingOptions.Greedy);
        int[] ids = [1, 2, 3];
        StateSlots slots = StateSlots.Of(2, 0, 3);
        Likeliest[] likeliest = new Likeliest[3];
        float[] logits = new float[3 * Config.PaddedVocabularySize];
        for (int step = 0; step < 6; step++)
        {
            model.Step(ids, pool, likeliest, slots);
            model.Step(ids, other, logits, slots);

            int[] expected =
            [
                .. logits.Chunk(Config.PaddedVocabularySize)
                    .Select(row => sampler.Next(row.AsSpan(0, Config.VocabularySize))),
            ];
            likeliest.Select(one => one.Checked()).Should().Equal(expected);
            ids = expected;
        }

        pool.Positions.Should().Equal(other.Positions);
        StateValues.Of(pool).ShouldHaveTheBitsOf(StateValues.Of(other));
    }
}
