using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Autograd;

public sealed class RecomputeTests
{
    private const int Rows = 5, Width = 6;

    [Fact]
    public void Gradients_have_the_bits_that_they_have_without()
    {
        float[][] expected = Run((forward, x) => forward(x));

        float[][] actual = Run(Functions.Recompute);
        float[][] nested = Run((forward, x) =>
            Functions.Recompute(outer => Functions.Recompute(forward, Functions.Recompute(Functions.Silu, outer)), x));
        float[][] nestedPlainly = Run((forward, x) => forward(Functions.Silu(x)));

        ShouldHaveTheBits(actual, expected);
        ShouldHaveTheBits(nested, nestedPlainly);
    }

    [Fact]
    public void An_input_that_needs_no_gradient_gets_none_while_parameters_do()
    {
        using Device device = TestDevice.Open();
        DeviceArray weight = device.Array([Width, Width], Samples.Normal(1, Width * Width));
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        tape.Watch(weight);
        DeviceArray x = device.Array([Rows, Width], Samples.Normal(2, Rows * Width));

        tape.Backward(Functions.Sum(Functions.Recompute(inner => Functions.Linear(inner, weight), x)));

        x.RequiresGradient.Should().BeFalse();
        tape.GradientOf(weight).ToArray().Should().Contain(value => value != 0);
    }

    [Fact]
    public void What_the_function_uses_beside_its_input_gets_its_gradient_too()
    {
        float[] GradientOfBeside(Func<Func<DeviceArray, DeviceArray>, DeviceArray, DeviceArray> apply)
        {
            using Device device = TestDevice.Open();
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray x = device.Array([Rows, Width], Samples.Normal(1, Rows * Width));
            DeviceArray source = device.Array([Rows, Width], Samples.Normal(2, Rows * Width));
            tape.Watch(source);
            DeviceArray beside = Functions.Silu(source);
            tape.Backward(Functions.Sum(apply(inner => Functions.Multiply(inner, beside), x)));
            return tape.GradientOf(source).ToArray();
        }

        GradientOfBeside(Functions.Recompute).ShouldHaveTheBitsOf(GradientOfBeside((forward, x) => forward(x)));
    }

    [Fact]
    public void A_function_that_returns_its_input_passes_the_gradient_on_once()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([2], [1, 2]);
        tape.Watch(x);

        tape.Backward(Functions.Sum(Functions.Recompute(inner => inner, x)));

        tape.GradientOf(x).ToArray().Should().Equal(1, 1);
    }

    [Fact]
    public void What_leads_nowhere_is_not_computed_again()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([2], [1, 2]);
        tape.Watch(x);
        int calls = 0;

        Functions.Recompute(inner => { calls++; return Functions.Silu(inner); }, x);
        tape.Backward(Functions.Sum(x));

        calls.Should().Be(1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_exception_leaves_the_tape_and_the_scopes_in_order(int failing)
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray x = device.Array([2], [1, 2]);
        tape.Watch(x);
        int calls = 0;

        Action run = () => tape.Backward(Functions.Sum(Functions.Recompute(
            inner => ++calls == failing ? throw new InvalidOperationException("it fails") : Functions.Silu(inner), x)));

        run.Should().Throw<InvalidOperationException>().WithMessage("it fails");
        device.Tape
            .Should().BeSameAs(failing == 1 ? tape : null, "a tape goes backward once, whether it succeeds or not");
        Functions.Silu(x).RequiresGradient.Should().Be(failing == 1);
        device.Scope().Dispose();
    }

    private static float[][] Run(Func<Func<DeviceArray, DeviceArray>, DeviceArray, DeviceArray> apply)
    {
        using Device device = TestDevice.Open(2);
        DeviceArray weight = device.Array([Width, Width], Samples.Normal(1, Width * Width));
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        tape.Watch(weight);
        DeviceArray source = device.Array([Rows, Width], Samples.Normal(2, Rows * Width));
        tape.Watch(source);
        DeviceArray x = Functions.Sigmoid(source);
        DeviceArray y = apply(inner => Functions.Add(inner, Functions.Silu(Functions.Linear(inner, weight))), x);
        DeviceArray z = Functions.Multiply(y, Functions.Linear(x, weight));
        tape.Backward((z, device.Array(z.Shape, Samples.Normal(3, Rows * Width))));
        return [z.ToArray(), tape.GradientOf(source).ToArray(), tape.GradientOf(weight).ToArray()];
    }

    private static void ShouldHaveTheBits(float[][] actual, float[][] expected)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldHaveTheBitsOf(expected[i], $"result {i}");
        }
    }
}
