using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Tests.Autograd;

/// <summary>Every thread has a tape of its own, and no two of them add to one gradient.</summary>
public sealed class TapeThreadTests
{
    private const string Followed = "*tape of thread *follows these trainable weights*One thread at a time trains*";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_threads_train_two_models_to_the_bits_of_each_alone(int workers)
    {
        float[] one, two;
        using (CpuDevice device = new(workers))
        {
            one = Train(device, 1);
            two = Train(device, 2);
        }

        for (int round = 0; round < 4; round++)
        {
            using CpuDevice device = new(workers);
            float[] a = [], b = [];
            Threads.RunAll(() => a = Train(device, 1), () => b = Train(device, 2));
            a.ShouldHaveTheBitsOf(one);
            b.ShouldHaveTheBitsOf(two);
        }
    }

    [Fact]
    public void A_parameter_that_another_threads_tape_follows_is_refused_by_name()
    {
        using CpuDevice device = new(1);
        using Linear linear = new(device, 4, 4, true, new Random(1));
        using Adam optimizer = new(linear, new());
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray loss = Functions.Mean(linear.Forward(device.Array([1, 4], [1, 2, 3, 4])));

        Threads.Run(() =>
        {
            using DeviceScope own = device.Scope();
            DeviceArray x = device.Array([1, 4], [1, 2, 3, 4]);
            linear.Forward(x).ToArray().Should().HaveCount(4, "without a tape weights are only read");
            FluentActions.Invoking(() => optimizer.Step())
                .Should().Throw<InvalidOperationException>().WithMessage(Followed);
            FluentActions.Invoking(() => linear.Bias!.Value.CopyFrom([1, 2, 3, 4]))
                .Should().Throw<InvalidOperationException>().WithMessage(Followed);
            FluentActions.Invoking(() => linear.Narrow(Precision.Float16))
                .Should().Throw<InvalidOperationException>().WithMessage(Followed);
            using Tape other = new(device);
            FluentActions.Invoking(() => linear.Forward(x))
                .Should().Throw<InvalidOperationException>().WithMessage(Followed);
            FluentActions.Invoking(() => other.GradientOf(linear.Weight.Value))
                .Should().Throw<InvalidOperationException>().WithMessage(Followed);
            Functions.Silu(x).ToArray().Should().HaveCount(4, "this tape goes on");
        });

        tape.Backward(loss);
        linear.Bias!.Gradient.ToArray().Should().AllSatisfy(value => value.Should().Be(0.25f));
        Threads.Run(() => Gradient(device, linear)); // the tape has gone backward
    }

    [Theory]
    [InlineData("disposed")]
    [InlineData("backward")]
    [InlineData("scope")]
    [InlineData("suspended")]
    public void A_tape_that_is_over_holds_no_parameter(string end)
    {
        using CpuDevice device = new(1);
        using Linear linear = new(device, 4, 4, true, new Random(1));
        using (device.Scope())
        {
            using (device.Scope())
            {
                Tape tape = new(device);
                DeviceArray loss = Functions.Mean(linear.Forward(device.Array([1, 4], [1, 2, 3, 4])));
                switch (end)
                {
                    case "disposed":
                        tape.Dispose();
                        break;
                    case "backward":
                        tape.Backward(loss);
                        break;
                    case "suspended":
                        tape.Suspend();
                        tape.Dispose();
                        break;
                    default:
                        break;
                }
            }

            Threads.Run(() => Gradient(device, linear));
        }
    }

    [Fact]
    public void A_tape_that_is_suspended_or_recomputes_still_holds_its_parameters()
    {
        using CpuDevice device = new(1);
        using Linear linear = new(device, 4, 4, true, new Random(1));
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([1, 4], [1, 2, 3, 4]);
        Functions.Recompute(linear.Forward, x);
        Refused();
        using (tape.Suspend())
        {
            Refused();
            Gradient(device, linear); // a second tape of the same thread
            Refused();
        }

        tape.Backward(Functions.Mean(Functions.Recompute(linear.Forward, x)));

        void Refused() => Threads.Run(() => FluentActions.Invoking(() => Gradient(device, linear))
            .Should().Throw<InvalidOperationException>().WithMessage(Followed));
    }

    [Fact]
    public void A_tape_is_used_by_its_own_thread()
    {
        using CpuDevice device = new(1);
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([1], [2]), shared = Owned(device);
        tape.Watch(x);
        tape.Watch(shared);
        DeviceArray y = Functions.Silu(x);

        Threads.Run(() =>
        {
            using DeviceScope own = device.Scope();
            Action[] uses =
            [
                () => tape.Backward(y), () => tape.Watch(shared), () => tape.Suspend(), tape.Dispose,
            ];
            uses.Should().AllSatisfy(use => use.Should().Throw<InvalidOperationException>()
                .WithMessage("*tape was begun by thread*begin one on each thread*"));
            device.Tape.Should().BeNull();
            using Tape other = new(device);
            other.Invoking(t => t.Watch(shared))
                .Should().Throw<InvalidOperationException>("its gradients would add up in the same memory");
        });

        tape.Backward(y);
        tape.GradientOf(x).ToArray().Should().HaveCount(1);
    }

    private static DeviceArray Owned(Device device)
    {
        DeviceArray owned = default;
        Threads.Run(() => owned = device.Array([1], [1]));
        return owned;
    }

    private static void Gradient(Device device, Linear linear)
    {
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        tape.Backward(Functions.Mean(linear.Forward(device.Array([1, 4], [1, 2, 3, 4]))));
    }

    private static float[] Train(Device device, int seed)
    {
        using Mamba2Mixer mixer = new(
            device, new() { ModelDim = 32, StateDim = 16, HeadDim = 16 }, new Random(seed));
        using AdamW optimizer = new(mixer, new() { LearningRate = 1e-2 });
        for (int step = 0; step < 12; step++)
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray x = device.Array([2, 20, 32], Samples.Normal((100 * seed) + step, 2 * 20 * 32));
            DeviceArray y = step % 2 == 0 ? mixer.Forward(x) : Functions.Recompute(input => mixer.Forward(input), x);
            tape.Backward(Functions.Mean(Functions.Multiply(y, y)));
            optimizer.Step();
        }

        return [.. mixer.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];
    }
}
