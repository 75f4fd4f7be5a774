using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class AdamWTests
{
    // Ten steps; each rounds a parameter once (6e-8) and moves it by a hundredth that is good to some units of 6e-8.
    private const double Tolerance = 5e-7;

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.1)]
    public void Ten_steps_match_the_reference_at_every_length(double weightDecay)
    {
        for (int length = 0; length < 70; length++)
        {
            using Device tested = TestDevice.Open();
            using ReferenceDevice reference = TestDevice.Reference();

            DeviceArray[] actual = TenSteps(tested, [length], weightDecay);
            DeviceArray[] expected = TenSteps(reference, [length], weightDecay);

            for (int i = 0; i < actual.Length; i++)
            {
                actual[i].ToArray().ShouldBeClose(
                    ReferenceDevice.Exact(expected[i]), Tolerance, $"{"pmv"[i]} of {length}");
            }
        }
    }

    [Fact]
    public void The_first_step_moves_by_the_learning_rate_whatever_the_gradient()
    {
        using Device tested = TestDevice.Open();
        DeviceArray p = tested.Array([3], [1, 1, 1]), m = tested.Zeros([3]), v = tested.Zeros([3]);

        tested.AdamWUpdate(p, tested.Array([3], [1e-3f, -7, 0]), m, v, new(0.25, 0.9, 0.999, 1e-12, 0, 1));

        p.ToArray().ShouldBeClose([0.75, 1.25, 1], Tolerance);
    }

    [Fact]
    public void A_decay_that_a_factor_near_1_would_lose_is_not_lost()
    {
        // 1 - 1e-7 in float32 is 1 - 1.19e-7: a factor would decay by a fifth too much.
        using Device tested = TestDevice.Open();
        DeviceArray p = tested.Array([1], [1.5f]), zeros = tested.Zeros([1]);

        tested.AdamWUpdate(p, zeros, tested.Zeros([1]), tested.Zeros([1]), new(1e-7, 0.9, 0.999, 1e-8, 1, 1));

        p.ToArray().Should().Equal((float)(1.5 * (1 - 1e-7)));
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        using CpuDevice one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);
        DeviceArray[] expected = TenSteps(one, [300, 333], 0.1), actual = TenSteps(five, [300, 333], 0.1);

        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].ToArray().ShouldHaveTheBitsOf(expected[i].ToArray());
        }
    }

    [Fact]
    public void A_slice_of_a_gradient_gives_what_its_copy_gives()
    {
        float[] gradient = Samples.Normal(3, 50 * 67);
        using Device tested = TestDevice.Open(2);
        DeviceArray Zeros() => tested.Zeros([50, 67]);
        DeviceArray p = Zeros(), q = Zeros();
        AdamWStep step = new(1e-2, 0.9, 0.95, 1e-8, 0, 1);

        tested.AdamWUpdate(p, FunctionCheck.SliceOf(tested, [50, 67], gradient), Zeros(), Zeros(), step);
        tested.AdamWUpdate(q, tested.Array([50, 67], gradient), Zeros(), Zeros(), step);

        p.ToArray().ShouldHaveTheBitsOf(q.ToArray());
    }

    [Fact]
    public void Wrong_shapes_and_steps_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray p = tested.Zeros([2, 3]), other = tested.Zeros([3, 2]);

        Action shape = () => tested.AdamWUpdate(p, other, p, p, new(1, 0.9, 0.9, 1, 0, 1));
        Action step = () => tested.AdamWUpdate(p, p, p, p, new(1, 0.9, 0.9, 1, 0, 0));

        shape.Should().Throw<ArgumentException>().WithMessage("*[2, 3]*[3, 2]*");
        step.Should().Throw<ArgumentOutOfRangeException>();
    }

    private static DeviceArray[] TenSteps(Device device, Shape shape, double weightDecay)
    {
        int count = (int)shape.Count;
        DeviceArray p = device.Array(shape, Samples.Normal(1, count)), m = device.Zeros(shape), v = device.Zeros(shape);
        for (int step = 1; step <= 10; step++)
        {
            DeviceArray gradient = device.Array(shape, Samples.Normal(step, count, 0.1));
            device.AdamWUpdate(p, gradient, m, v, new(1e-2, 0.9, 0.999, 1e-8, weightDecay, step));
        }

        return [p, m, v];
    }
}
