using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>Random numbers that are a function of their place, and what drops elements by them.</summary>
public sealed class NoiseTests
{
    /// <summary>The known answers that the generator's authors publish with it: counter, key, words.</summary>
    public static TheoryData<uint[], uint[], uint[]> KnownAnswers => new()
    {
        { [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
        {
            [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
            [0xffffffff, 0xffffffff],
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        },
        {
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        },
    };

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_generator_gives_the_published_words(uint[] counter, uint[] key, uint[] words)
    {
        PhiloxWords actual = Philox.Of(new(counter[0], counter[1], counter[2], counter[3]), key[0], key[1]);

        new[] { actual.X, actual.Y, actual.Z, actual.W }.Should().Equal(words);
        ReferenceDevice.PhiloxOf(counter, key).Should().Equal(words);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(-5, 3)]
    [InlineData(0x123456789abcdef, -1)]
    public void Numbers_have_the_bits_of_the_definition_on_every_device(long seed, long draw)
    {
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        foreach (Shape shape in new Shape[] { [0], [1], [3], [7, 5], [2, 3, 33], [5, 16384] })
        {
            float[] actual = Functions.Uniform(device, shape, seed, draw).ToArray();

            actual.ShouldHaveTheBitsOf(Functions.Uniform(reference, shape, seed, draw).ToArray());
            actual.Where(value => value is not (>= 0 and < 1)).Should().BeEmpty();
        }
    }

    [Fact]
    public void Numbers_are_spread_evenly_and_draws_differ()
    {
        using Device device = TestDevice.Open();
        float[] first = Functions.Uniform(device, [100000], 1, 0).ToArray();
        float[] second = Functions.Uniform(device, [100000], 1, 1).ToArray();

        // Each tenth has 10,000 ± 95 (one standard deviation).
        first.GroupBy(value => (int)(value * 10)).Should().HaveCount(10)
            .And.OnlyContain(tenth => Math.Abs(tenth.Count() - 10000) < 500);
        double covariance = first.Zip(second, (a, b) => (a - 0.5) * (b - 0.5)).Average();
        Math.Abs(covariance).Should().BeLessThan(5 / 12.0 / Math.Sqrt(100000));
        first.Should().NotEqual(second);
        first.Should().NotEqual(Functions.Uniform(device, [100000], 2, 0).ToArray());
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    public void Dropout_matches_the_reference(double rate)
    {
        FunctionCheck check = new(
            x => Functions.Dropout(x[0], rate, seed: 3, draw: 4), ([5, 7, 1001], Samples.Normal(1, 35035)));

        check.ShouldMatchTheReference(1e-7, 1e-7);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldGiveTheSameBitsOnSlices();
        new FunctionCheck(x => Functions.Dropout(x[0], rate, 3, 4), ([2, 3, 5], Samples.Normal(1, 30)))
            .ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Fact]
    public void A_dropped_array_has_the_part_of_zeros_and_the_scale_that_the_rate_says()
    {
        using Device device = TestDevice.Open();
        float[] y = Functions.Dropout(device.Array([100000], [.. Enumerable.Repeat(3f, 100000)]), 0.25, 1, 0).ToArray();

        y.Should().OnlyContain(value => value == 0 || value == 4);
        y.Count(value => value == 0).Should().BeInRange(24300, 25700);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public void A_path_is_dropped_for_whole_samples(int inner)
    {
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        float[][] actual = Seeded(device), expected = Seeded(reference);

        actual[0].ShouldHaveTheBitsOf(expected[0]);
        actual[1].ShouldHaveTheBitsOf(expected[1]);
        bool[] dropped = [.. actual[0].Chunk(inner).Select(sample => sample[0] == 0)];
        dropped.Count(isDropped => isDropped).Should().BeInRange(150, 250);
        actual[0].Chunk(inner).Should().OnlyContain(sample => sample.Distinct().Count() == 1);

        float[][] Seeded(Device device)
        {
            DeviceArray x = device.Array([400, inner], [.. Enumerable.Repeat(1f, 400 * inner)]);
            using Tape tape = new(device, seed: 5);
            tape.Watch(x);
            DeviceArray y = Functions.DropPath(x, 0.5);
            tape.Backward(Functions.Sum(y));
            return [y.ToArray(), tape.GradientOf(x).ToArray()];
        }
    }

    [Fact]
    public void Without_a_tape_nothing_is_dropped()
    {
        using Device device = TestDevice.Open();
        using Dropout layer = new(device, 0.5);
        DeviceArray x = device.Array([2, 30], Samples.Normal(1, 60));

        layer.Forward(x).ToArray().ShouldHaveTheBitsOf(x.ToArray());
        Functions.DropPath(x, 0.5).ToArray().ShouldHaveTheBitsOf(x.ToArray());
        using Tape tape = new(device, seed: 1);
        using (tape.Suspend())
        {
            layer.Forward(x).ToArray().ShouldHaveTheBitsOf(x.ToArray());
        }

        layer.Forward(x).ToArray().Should().Contain(0);
    }

    [Fact]
    public void A_tape_without_a_seed_and_wrong_rates_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3]);
        using Tape tape = new(device);

        Action unseeded = () => Functions.Dropout(x, 0.5);
        unseeded.Should().Throw<InvalidOperationException>().WithMessage("*new Tape(device, seed)*");
        Functions.Dropout(x, 0).Shape.Should().Be(x.Shape);
        foreach (double rate in new[] { -0.1, 1, double.NaN })
        {
            Action[] wrong =
            [
                () => Functions.Dropout(x, rate),
                () => Functions.Dropout(x, rate, 1, 0),
                () => Functions.DropPath(x, rate),
                () => _ = new Dropout(device, rate),
                () => _ = new Residual(new Linear(device, 3, 3, false, null), dropPath: rate),
            ];
            foreach (Action action in wrong)
            {
                action.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*0 to below 1*");
            }
        }
    }

    [Fact]
    public void Equal_seeds_give_equal_masks_and_each_call_another()
    {
        using Device device = TestDevice.Open();

        float[][] first = Masks(1), second = Masks(1), other = Masks(2);

        first[0].Should().Equal(second[0]);
        first[1].Should().Equal(second[1]);
        first[0].Should().NotEqual(first[1]);
        first[0].Should().NotEqual(other[0]);

        float[][] Masks(long seed)
        {
            DeviceArray ones = device.Array([64], [.. Enumerable.Repeat(1f, 64)]);
            using Tape tape = new(device, seed);
            return [Functions.Dropout(ones, 0.5).ToArray(), Functions.Dropout(ones, 0.5).ToArray()];
        }
    }

    [Fact]
    public void Recompute_draws_the_same_masks_twice()
    {
        float[][] plain = Run((forward, x) => forward(x));
        float[][] again = Run(Functions.Recompute);
        float[][] nested = Run((forward, x) =>
            Functions.Recompute(outer => Functions.Recompute(forward, outer), x));

        for (int i = 0; i < plain.Length; i++)
        {
            again[i].ShouldHaveTheBitsOf(plain[i], $"result {i}");
            nested[i].ShouldHaveTheBitsOf(plain[i], $"result {i}");
        }

        static float[][] Run(Func<Func<DeviceArray, DeviceArray>, DeviceArray, DeviceArray> apply)
        {
            using Device device = TestDevice.Open(2);
            DeviceArray x = device.Array([4, 9], Samples.Normal(1, 36));
            using Tape tape = new(device, seed: 7);
            tape.Watch(x);
            DeviceArray y = Functions.Dropout(x, 0.3);
            for (int i = 0; i < 3; i++)
            {
                y = apply(inner => Functions.DropPath(Functions.Silu(Functions.Dropout(inner, 0.4)), 0.3), y);
                y = Functions.Dropout(y, 0.2);
            }

            tape.Backward((y, device.Array([4, 9], Samples.Normal(2, 36))));
            return [y.ToArray(), tape.GradientOf(x).ToArray()];
        }
    }

    [Fact]
    public void A_run_that_is_resumed_has_the_bits_of_one_that_is_not()
    {
        using TemporaryFolder whole = new(inMemory: true), parts = new(inMemory: true);
        using Device device = TestDevice.Open();

        float[] expected = Run(whole, 6, resume: false);
        float[] half = Run(parts, 3, resume: false), resumed = Run(parts, 6, resume: true);

        resumed.ShouldHaveTheBitsOf(expected);
        resumed.Should().NotEqual(half);

        float[] Run(TemporaryFolder folder, int steps, bool resume)
        {
            using Sequential module = new(
                new Linear(device, 8, 8, true, new Random(1)),
                new Residual(new Linear(device, 8, 8, true, new Random(2)), dropPath: 0.3),
                new Dropout(device, 0.3));
            using Sgd optimizer = new(module, new() { LearningRate = 0.1 });
            using Trainer trainer = new(
                module,
                optimizer,
                new() { Steps = steps, Folder = folder.Path, Accumulation = 2 },
                batch => Functions.Mean(Functions.Square(
                    module.Forward(device.Array([6, 8], Samples.Normal((int)batch, 48))))));
            (resume && trainer.Resume(cancellation: TestContext.Current.CancellationToken)).Should().Be(resume);
            trainer.Run(cancellation: TestContext.Current.CancellationToken);
            return [.. module.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];
        }
    }

    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([3, 1100, 70]);
        Run();

        Allocations.Of(Run).Should().Be(0);

        void Run()
        {
            using DeviceScope scope = device.Scope();
            Functions.Dropout(x, 0.1, 1, 0);
            Functions.Uniform(device, [100], 1, 0);
        }
    }
}
