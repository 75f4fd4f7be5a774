using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class ElementwiseTests
{
    // Three roundings of float32, relative to the largest value; GELU's error function is good to 1.5e-7 itself.
    private const double Tolerance = 4e-7;

    // The derivatives hold 1 - σ, which is good to half a unit in the last place of 1, not of itself.
    private const double GradientTolerance = 2e-6;

    public static TheoryData<string> Names =>
    [
        "Sigmoid", "Silu", "Softplus", "SquaredRelu", "Gelu", "GeluTanh", "Exp", "Log", "Sqrt", "Square", "Tanh",
        "Sin", "Cos", "Add", "Subtract", "Multiply", "Divide", "Gate",
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_at_every_length(string name)
    {
        for (int length = 0; length < 70; length++)
        {
            float[] a = Samples.Normal(length, length, 3), b = Samples.Normal(length + 1000, length, 3);
            using Device tested = TestDevice.Open();
            using ReferenceDevice reference = TestDevice.Reference();

            (DeviceArray y, DeviceArray[] gradients) = Run(tested, name, a, b);
            (DeviceArray expected, DeviceArray[] expectedGradients) = Run(reference, name, a, b);

            y.ToArray().ShouldBeClose(ReferenceDevice.Exact(expected), Tolerance, $"{name} of {length}");
            for (int i = 0; i < gradients.Length; i++)
            {
                gradients[i].ToArray().ShouldBeClose(
                    ReferenceDevice.Exact(expectedGradients[i]),
                    GradientTolerance,
                    $"gradient {i} of {name} of {length}");
            }
        }
    }

    [Theory]
    [InlineData(80f)]
    [InlineData(-80f)]
    [InlineData(0f)]
    public void Extreme_values_stay_finite(float x)
    {
        using Device tested = TestDevice.Open();
        DeviceArray array = tested.Array([1], [x]);

        DeviceArray[] results =
            [Functions.Sigmoid(array), Functions.Silu(array), Functions.Softplus(array), Functions.Gelu(array)];

        results.Should().OnlyContain(y => float.IsFinite(y.ToArray()[0]));
    }

    [Fact]
    public void NaN_stays_NaN()
    {
        using Device tested = TestDevice.Open();
        DeviceArray array = tested.Array([1], [float.NaN]);

        DeviceArray[] results =
            [Functions.Sigmoid(array), Functions.Silu(array), Functions.Softplus(array), Functions.Gelu(array)];

        results.Should().OnlyContain(y => float.IsNaN(y.ToArray()[0]));
    }

    [Fact]
    public void Sign_is_exact_at_every_length()
    {
        float[] special =
            [0, 1e-37f, -1e-37f, float.MaxValue, float.NegativeInfinity, float.PositiveInfinity, float.NaN];
        for (int length = 0; length < 70; length++)
        {
            using Device tested = TestDevice.Open();
            float[] x = [.. special, .. Samples.Normal(length, length)];
            DeviceArray y = tested.Array([x.Length], x);

            tested.Map<Elementwise.Sign>(y, y);

            y.ToArray().Should().Equal(Array.ConvertAll(x, value => float.IsNaN(value) ? value : MathF.Sign(value)));
        }
    }

    [Fact]
    public void Operators_are_the_functions()
    {
        using Device tested = TestDevice.Open();
        DeviceArray a = tested.Array([3], [1, 2, 3]), b = tested.Array([3], [4, 8, -2]);

        (a + b).ToArray().Should().Equal(5, 10, 1);
        (a - b).ToArray().Should().Equal(-3, -6, 5);
        (a * b).ToArray().Should().Equal(4, 16, -6);
        (a / b).ToArray().Should().Equal(0.25f, 0.25f, -1.5f);
        (a * 2f).ToArray().Should().Equal((2f * a).ToArray()).And.Equal(2, 4, 6);
        (b / 4f).ToArray().Should().Equal(1, 2, -0.5f);
        (-a).ToArray().Should().Equal(-1, -2, -3);
    }

    [Fact]
    public void Functions_with_a_kink_have_the_derivatives_of_their_sides()
    {
        using Device tested = TestDevice.Open();
        float[] left = [-2, -0f, 0, 3, 5, float.NaN], right = [1, 4, 0, 3, -5, 2];

        Results(x => Functions.Abs(x[0])).Should().Equal([2, 0, 0, 3, 5, float.NaN, -1, 0, 0, 1, 1, float.NaN]);
        Results(x => Functions.Relu(x[0]))[..11].Should().Equal([0, 0, 0, 3, 5, float.NaN, 0, 0, 0, 1, 1]);
        Results(x => Functions.Maximum(x[0], x[1]))[..11].Should().Equal(
            [1, 4, 0, 3, 5, float.NaN, 0, 0, 0.5f, 0.5f, 1]);
        Results(x => Functions.Minimum(x[0], x[1]))[..11].Should().Equal(
            [-2, 0, 0, 3, -5, float.NaN, 1, 1, 0.5f, 0.5f, 0]);

        float[] Results(Func<DeviceArray[], DeviceArray> function)
        {
            DeviceArray a = tested.Array([left.Length], left), b = tested.Array([right.Length], right);
            using Tape tape = new(tested);
            tape.Watch(a);
            DeviceArray y = function([a, b]);
            tape.Backward(Functions.Sum(y));
            return [.. y.ToArray(), .. tape.GradientOf(a).ToArray()];
        }
    }

    [Fact]
    public void A_function_of_ones_own_runs_in_registers_and_has_a_gradient()
    {
        float[] values = Samples.Normal(1, 37);
        using Device tested = TestDevice.Open();
        DeviceArray x = tested.Array([37], values);
        using Tape tape = new(tested);
        tape.Watch(x);

        DeviceArray y = Functions.Map<Cube>(x);
        tape.Backward(Functions.Sum(Functions.Zip<Average>(y, x)));

        y.ToArray().ShouldBeClose(Array.ConvertAll(values, v => (double)v * v * v), Tolerance);
        tape.GradientOf(x).ToArray().ShouldBeClose(
            Array.ConvertAll(values, v => (1.5 * v * v) + 0.5), GradientTolerance);
    }

    [Fact]
    public void A_slice_gives_what_its_copy_gives()
    {
        using Device tested = TestDevice.Open(2);
        DeviceArray whole = tested.Array([500, 100], Samples.Normal(1, 50_000));
        DeviceArray slice = whole.Slice(3, 67);

        float[] fromSlice = Functions.Silu(slice).ToArray();

        fromSlice.ShouldHaveTheBitsOf(Functions.Silu(tested.Array([500, 67], slice.ToArray())).ToArray());
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        float[] x = Samples.Normal(1, 100_003);
        using CpuDevice one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);

        float[] expected = Functions.Silu(one.Array([x.Length], x)).ToArray();

        Functions.Silu(five.Array([x.Length], x)).ToArray().ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void Different_shapes_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray a = tested.Zeros([2, 3]), b = tested.Zeros([3, 2]);

        Action add = () => Functions.Add(a, b);

        add.Should().Throw<ArgumentException>().WithMessage("*[2, 3]*[3, 2]*");
    }

    private static (DeviceArray Y, DeviceArray[] Gradients) Run(Device device, string name, float[] a, float[] b)
    {
        DeviceArray first = device.Array([a.Length], a), second = device.Array([b.Length], b);
        using Tape tape = new(device);
        tape.Watch(first);
        tape.Watch(second);
        DeviceArray y = name switch
        {
            "Sigmoid" => Functions.Sigmoid(first),
            "Silu" => Functions.Silu(first),
            "Softplus" => Functions.Softplus(first),
            "SquaredRelu" => Functions.SquaredRelu(first),
            "Gelu" => Functions.Gelu(first),
            "GeluTanh" => Functions.GeluTanh(first),
            "Exp" => Functions.Exp(first),
            "Log" => Functions.Log(Positive(first)),
            "Sqrt" => Functions.Sqrt(Positive(first)),
            "Square" => Functions.Square(first),
            "Tanh" => Functions.Tanh(first),
            "Sin" => Functions.Sin(first),
            "Cos" => Functions.Cos(first),
            "Subtract" => Functions.Subtract(first, second),
            "Divide" => Functions.Divide(first, Positive(second)),
            "Add" => Functions.Add(first, second),
            "Multiply" => Functions.Multiply(first, second),
            "Gate" => Functions.Gate(first, second),
            _ => throw new ArgumentException($"No function is called {name}."),
        };
        tape.Backward((y, device.Array([a.Length], Samples.Normal(7, a.Length))));
        return (y, [tape.GradientOf(first), tape.GradientOf(second)]);
    }

    /// <summary>√(x² + 1): at least 1, so that quotients and logarithms are well conditioned.</summary>
    private static DeviceArray Positive(DeviceArray x) => Functions.Sqrt(Functions.Square(x) + Functions.Exp(x * 0f));
}

/// <summary>x³. It is public, as the emulation of GPUs needs functions from outside to be.</summary>
public readonly struct Cube : IMap
{
    public static TLanes Apply<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> => x * x * x;

    public static TLanes Derivative<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(3) * x * x;
}

/// <summary>The mean of two numbers.</summary>
public readonly struct Average : IZip
{
    public static TLanes Apply<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => (a + b) * TLanes.Broadcast(0.5f);

    public static TLanes DerivativeA<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(0.5f);

    public static TLanes DerivativeB<TLanes>(TLanes a, TLanes b)
        where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(0.5f);
}
