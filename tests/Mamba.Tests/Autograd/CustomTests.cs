using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Autograd;

/// <summary>A function whose backward pass the caller gives.</summary>
public sealed class CustomTests
{
    private static readonly float[] X = Samples.Normal(1, 12), Y = Samples.Normal(2, 12);

    [Fact]
    public void Gradients_are_those_of_the_function_that_it_stands_for()
    {
        float[][] expected = Gradients((x, y) => Functions.Multiply(Functions.Silu(x), y));

        float[][] actual = Gradients((x, y) => Functions.Multiply(Silu(x), y));
        float[][] byFunctions = Gradients((x, y) => Product(Functions.Silu(x), y));
        float[][] recomputed = Gradients(
            (x, y) => Functions.Recompute(inner => Functions.Multiply(Silu(inner), y), x));

        for (int i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldBeClose(expected[i], 1e-5, "numbers");
            byFunctions[i].ShouldHaveTheBitsOf(expected[i], "functions");
            recomputed[i].ShouldBeClose(expected[i], 1e-5, "recomputed");
        }
    }

    [Fact]
    public void Without_a_tape_there_is_only_the_output()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([12], X);

        DeviceArray y = Functions.Custom([x], () => Functions.Silu(x), _ => throw new InvalidOperationException());

        y.ToArray().ShouldHaveTheBitsOf(Functions.Silu(x).ToArray());
    }

    [Fact]
    public void The_way_back_is_not_gone_where_no_gradient_is()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([12], X);
        tape.Watch(x);
        int calls = 0;
        DeviceArray used = Counted(x), unused = Counted(x), behindUnused = Functions.Silu(Counted(unused));

        tape.Backward(Functions.Sum(used));

        calls.Should().Be(1);
        tape.GradientOf(x).ToArray().Should().OnlyContain(value => value == 1);
        tape.GradientOf(behindUnused).ToArray().Should().OnlyContain(value => value == 0);

        DeviceArray Counted(DeviceArray input) => Functions.Custom(
            [input],
            () => Functions.Scale(input, 1),
            gy =>
            {
                calls++;
                return [gy];
            });
    }

    [Fact]
    public void What_is_computed_inside_is_not_recorded_and_freed()
    {
        using Device device = TestDevice.Open();
        for (int i = 0; i < 3; i++)
        {
            Step();
        }

        long before = device.AllocatedBytes;
        Step();
        device.AllocatedBytes.Should().Be(before);

        void Step()
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray x = device.Array([12], X);
            tape.Watch(x);
            DeviceArray y = Functions.Custom(
                [x],
                () => Functions.Silu(Functions.Silu(x)),
                gy => [Functions.Multiply(Functions.Silu(gy), x)]);
            tape.Count.Should().Be(1);
            tape.Backward(Functions.Sum(y));
        }
    }

    [Fact]
    public void Misuse_is_refused_by_name()
    {
        using Device device = TestDevice.OpenBare(), foreign = TestDevice.Cpu(1);
        DeviceArray outside = device.Array([2], [1, 2]), elsewhere = foreign.Array([2], [1, 2]);
        Custom([outside], () => outside).Should().Throw<InvalidOperationException>().WithMessage("*needs a scope*");
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2], [1, 2]);

        Custom([], () => x).Should().Throw<ArgumentException>().WithMessage("Expected the inputs*");
        Custom([default], () => x).Should().Throw<ArgumentException>().WithMessage("input*is required*");
        Custom([x, elsewhere], () => x).Should().Throw<ArgumentException>().WithMessage("Expected inputs on*");
        Custom([x], () => default).Should().Throw<ArgumentException>().WithMessage("*required*");
        Custom([x], () => elsewhere).Should().Throw<ArgumentException>().WithMessage("Expected an output on*");
        Custom([x], () => x.Reshape([1, 2])).Should().Throw<ArgumentException>().WithMessage("Expected a new array*");
        Custom([x], null!).Should().Throw<ArgumentNullException>();
        Backward(x, _ => []).Should().Throw<InvalidOperationException>().WithMessage("Expected a gradient*of each*");
        Backward(x, _ => null!).Should().Throw<InvalidOperationException>().WithMessage("Expected a gradient*found 0*");
        Backward(x, gy => [gy.Reshape([1, 2])]).Should().Throw<InvalidOperationException>()
            .WithMessage("Expected a gradient [2] of input 0; found [1, 2]*");
        Backward(x, _ => [default]).Should().NotThrow("there may be no gradient");

        static Action Custom(DeviceArray[] inputs, Func<DeviceArray> forward) =>
            () => Functions.Custom(inputs, forward, gy => [gy]);

        static Action Backward(DeviceArray x, Func<DeviceArray, DeviceArray[]> backward) => () =>
        {
            using DeviceScope scope = x.Device.Scope();
            using Tape tape = new(x.Device);
            tape.Watch(x);
            tape.Backward(Functions.Sum(Functions.Custom([x], () => Functions.Scale(x, 2), backward)));
        };
    }

    /// <summary>SiLU, computed outside of the device.</summary>
    private static DeviceArray Silu(DeviceArray x) => Functions.Custom(
        [x],
        () => x.Device.Array(x.Shape, Array.ConvertAll(x.ToArray(), v => v * Sigmoid(v))),
        gy =>
        {
            float[] values = x.ToArray(), gradient = gy.ToArray();
            for (int i = 0; i < values.Length; i++)
            {
                float sigma = Sigmoid(values[i]);
                gradient[i] *= sigma * (1 + (values[i] * (1 - sigma)));
            }

            return [x.Device.Array(x.Shape, gradient)];
        });

    private static DeviceArray Product(DeviceArray a, DeviceArray b) => Functions.Custom(
        [a, b],
        () => Functions.Multiply(a, b),
        gy => [Functions.Multiply(gy, b), Functions.Multiply(gy, a)]);

    private static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    private static float[][] Gradients(Func<DeviceArray, DeviceArray, DeviceArray> function)
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([3, 4], X), y = device.Array([3, 4], Y);
        tape.Watch(x);
        tape.Watch(y);
        DeviceArray output = function(x, y);
        tape.Backward(Functions.Sum(Functions.Multiply(output, output)));
        return [output.ToArray(), tape.GradientOf(x).ToArray(), tape.GradientOf(y).ToArray()];
    }
}
