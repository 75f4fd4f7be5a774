using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;

namespace Mamba.Tests.Optimization;

public sealed class GradientBucketsTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 12,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, StateDim = 4 }, new Mamba2MixerOptions { ModelDim = 8, HeadDim = 4 },
        ],
    };

    private static readonly int[] First = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Second = [11, 3, 5, 7, 9, 1, 2, 2, 4, 8];

    [Theory]
    [InlineData(1)]
    [InlineData(2000)]
    [InlineData(GradientBuckets.DefaultBytes)]
    public void Gradients_in_buckets_have_the_bits_of_gradients_without(long bytes)
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel plain = new(tested, Config, new Random(1)), model = new(tested, Config, new Random(1));
        using GradientBuckets buckets = new(model, bytes);
        for (int round = 0; round < 2; round++)
        {
            Backward(plain, First);
            Backward(plain, Second);
            Backward(model, First);
            Backward(model, Second);

            ShouldHaveTheGradientsOf(model, plain);
            double norm = Math.Sqrt(buckets.Buckets.Sum(tested.SumOfSquares));
            norm.Should().BeApproximately(Gradients.Norm(model), 1e-6 * norm, "the gaps are zero");
            plain.ClearGradients();
            model.ClearGradients();
            buckets.Buckets.Should().OnlyContain(bucket => tested.SumOfSquares(bucket) == 0);
        }
    }

    [Fact]
    public void Buckets_are_of_the_size_asked_for_and_begin_with_the_last_parameter()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);

        // 704 + 80 + 16 floats with their gaps.
        using (GradientBuckets small = new(weights, 384))
        {
            small.Buckets.Select(bucket => (int)bucket.Shape.Count).Should().Equal(96, 704);
        }

        using GradientBuckets buckets = new(weights, 4 * 800);
        weights.AddGradients(1);

        float[] all = buckets.Buckets.Should().ContainSingle().Subject.ToArray();
        all.Length.Should().Be(800);
        all[0].Should().Be(Weights.Gradient("scalar", 1, 1)[0]);
        all[16..83].ShouldHaveTheBitsOf(Weights.Gradient("bias", 67, 1));
        all[96..799].ShouldHaveTheBitsOf(Weights.Gradient("matrix", 703, 1));
    }

    [Fact]
    public void Buckets_of_two_processes_add_up_to_the_gradients_of_the_whole_batch()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel whole = new(tested, Config, new Random(1));
        using MambaLanguageModel one = new(tested, Config, new Random(1)), two = new(tested, Config, new Random(1));
        using GradientBuckets ones = new(one, 2000), twos = new(two, 2000);
        Backward(whole, [.. First, .. Second], 2);
        Backward(one, First);
        Backward(two, Second);

        foreach ((DeviceArray sum, DeviceArray other) in ones.Buckets.Zip(twos.Buckets))
        {
            tested.AddScaled(other, 1f, sum);
            tested.Scale(sum, 0.5f, sum);
        }

        foreach ((Parameter expected, Parameter actual) in Pairs(whole, one))
        {
            // Float32 sums over tokens in another order.
            actual.Gradient.ToArray().ShouldBeClose(expected.Gradient.ToArray(), 2e-6);
        }
    }

    [Fact]
    public void An_optimizer_takes_the_same_steps_with_buckets()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel plain = new(tested, Config, new Random(1)), model = new(tested, Config, new Random(1));
        using GradientBuckets buckets = new(model);
        using AdamW first = new(plain, new()), second = new(model, new());
        for (int step = 0; step < 3; step++)
        {
            Backward(plain, First);
            Backward(model, First);
            Gradients.Clip(plain, 0.1);
            Gradients.Clip(model, 0.1);
            first.Step();
            second.Step();
        }

        foreach ((Parameter expected, Parameter actual) in Pairs(plain, model))
        {
            actual.Value.ToArray().ShouldHaveTheBitsOf(expected.Value.ToArray());
        }
    }

    [Fact]
    public void Gradients_that_are_there_move_into_the_buckets()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        weights.AddGradients(1);
        long before = tested.AllocatedBytes;

        using GradientBuckets buckets = new(weights, 1);

        tested.AllocatedBytes.Should().Be(before + (4 * (800 - weights.ParameterCount)), "only gaps are new");
        weights.Parameters.Last().Parameter.Gradient.ToArray().Should().Equal(Weights.Gradient("scalar", 1, 1));
        buckets.Buckets[0].ToArray()[0].Should().Be(Weights.Gradient("scalar", 1, 1)[0]);
    }

    [Fact]
    public void Without_its_buckets_a_module_makes_gradients_of_its_own()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        GradientBuckets buckets = new(weights, 1);
        DeviceArray held = weights.Parameters.First().Parameter.Gradient;
        Action again = () => new GradientBuckets(weights).Dispose();
        again.Should().Throw<InvalidOperationException>("they are in other buckets");

        buckets.Dispose();
        buckets.Dispose();

        weights.Parameters.Should().OnlyContain(named => !named.Parameter.Gradient.Exists);
        held.Invoking(gradient => gradient.ToArray()).Should().Throw<ObjectDisposedException>();
        weights.AddGradients(1);
        weights.Parameters.Last().Parameter.Gradient.ToArray().Should().Equal(Weights.Gradient("scalar", 1, 1));
        again.Should().NotThrow();
    }

    [Fact]
    public void Buckets_outlive_a_module_and_give_their_memory_back()
    {
        using Device tested = TestDevice.Open();
        long before = tested.AllocatedBytes;
        Weights weights = new(tested);
        GradientBuckets buckets = new(weights);

        weights.Dispose();
        tested.AllocatedBytes.Should().Be(before + (4 * 800));
        buckets.Buckets[0].ToArray().Should().OnlyContain(value => value == 0);
        buckets.Dispose();

        tested.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void Frozen_and_narrowed_parameters_leave_the_others_where_they_are()
    {
        using GpuDevice tested = TestDevice.OpenGpu();
        using Weights weights = new(tested);
        weights.Parameters.Last().Parameter.IsTrainable = false;
        using GradientBuckets buckets = new(weights);

        weights.Narrow();
        weights.AddGradients(1);

        weights.Parameters.Select(named => named.Parameter.Gradient.Exists).Should().Equal(false, true, false);
        buckets.Buckets[0].ToArray()[..67].ShouldHaveTheBitsOf(Weights.Gradient("bias", 67, 1));
        buckets.Buckets[0].ToArray()[67..].Should().OnlyContain(value => value == 0);
    }

    private static void Backward(MambaLanguageModel model, int[] ids, int batch = 1)
    {
        using DeviceScope scope = model.Device.Scope();
        using Tape tape = new(model.Device);
        tape.Backward(model.Loss(ids, batch));
    }

    private static IEnumerable<(Parameter, Parameter)> Pairs(Module first, Module second) =>
        first.Parameters.Zip(second.Parameters, (one, two) => (one.Parameter, two.Parameter));

    private static void ShouldHaveTheGradientsOf(Module actual, Module expected)
    {
        foreach ((Parameter one, Parameter two) in Pairs(expected, actual))
        {
            two.Gradient.ToArray().ShouldHaveTheBitsOf(one.Gradient.ToArray());
        }
    }
}
