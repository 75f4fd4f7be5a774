using CsCheck;
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;
using static Mamba.Tests.Reference.DifferentiableFunction;

namespace Mamba.Tests.Kernels;

public sealed class NormTests
{
    // Four roundings of float32 on the way to y, relative to the largest value.
    private const double Tolerance = 5e-7;

    // The gradient of x is a difference of terms that may be larger than itself; three times the error of the reference
    // implementation's own float32 run.
    private const double GradientTolerance = 1e-6;

    private const float Epsilon = 1e-5f;

    /// <summary>Width, a group size that divides it.</summary>
    public static TheoryData<int, int> Widths =>
        new()
        {
            { 1, 1 }, { 2, 1 }, { 3, 3 }, { 7, 7 }, { 16, 4 },
            { 33, 11 }, { 64, 64 }, { 65, 13 }, { 150, 75 }, { 1100, 550 },
        };

    [Theory]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void An_epsilon_that_is_none_is_refused(float epsilon)
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1, 2], [1, 2]), weight = device.Array([2], [1, 1]);
        Action[] norms =
        [
            () => Functions.RmsNorm(x, weight, epsilon),
            () => Functions.LayerNorm(x, weight, default, epsilon),
            () => Functions.GatedRmsNorm(x, x, weight, default, epsilon),
        ];

        norms.Should().AllSatisfy(norm => norm.Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage("epsilon must be 0 or a positive number that a float holds; found *"));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Norms_match_the_reference(int width, int groupSize)
    {
        foreach ((string name, DifferentiableFunction function) in All(2, 3, width, groupSize))
        {
            function.ShouldMatchTheReference(Tolerance, GradientTolerance, $"{name} of {width}");
        }
    }

    [Fact]
    public void Norms_match_the_reference_across_blocks_of_rows()
    {
        foreach ((string name, DifferentiableFunction function) in All(5, 130, 9, 3))
        {
            function.ShouldMatchTheReference(Tolerance, GradientTolerance, name);
        }
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(2, 0)]
    public void Empty_arrays_give_empty_arrays(int batch, int length)
    {
        foreach ((string name, DifferentiableFunction function) in All(batch, length, 4, 2))
        {
            function.ShouldMatchTheReference(Tolerance, GradientTolerance, name);
        }
    }

    [Fact]
    public void Reference_gradients_are_those_of_the_reference()
    {
        foreach ((string name, DifferentiableFunction function) in All(1, 2, 6, 3))
        {
            function.ReferenceShouldMatchDifferences(name);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Thread_count_changes_no_bit(int threads)
    {
        using CpuDevice one = TestDevice.Cpu(1), several = TestDevice.Cpu(threads);

        foreach ((_, DifferentiableFunction function) in All(3, 400, 70, 35))
        {
            function.Run(several).ShouldHaveTheBitsOf(function.Run(one));
        }
    }

    [Fact]
    public void A_row_alone_gives_its_bits_among_others() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[2, 40], Gen.Int[1, 9999]).Sample((width, rows, seed) =>
        {
            using Device device = TestDevice.Open(2);
            float[] x = Samples.Normal(seed, rows * width), z = Samples.Normal(seed + 1, rows * width);
            int row = seed % rows;

            double[][] together = Run(rows, x, z), alone = Run(
                1, x[(row * width)..((row + 1) * width)], z[(row * width)..((row + 1) * width)]);

            for (int i = 0; i < alone.Length; i++)
            {
                alone[i].Should().Equal(together[i][(row * width)..((row + 1) * width)]);
            }

            double[][] Run(int count, float[] left, float[] right)
            {
                Results results = new DifferentiableFunction(
                    inputs =>
                    {
                        (DeviceArray y, DeviceArray sum) =
                            Functions.AddLayerNorm(inputs[0], inputs[1], default, default, Epsilon);
                        return [y, sum, Functions.GatedRmsNorm(inputs[0], inputs[1], default, default, Epsilon)];
                    },
                    ([count, width], left),
                    ([count, width], right)).Run(device, gradientsOfOne: true);
                return [.. results.Outputs, .. results.Gradients];
            }
        }, seed: "0000000000001", iter: 30);

    [Fact]
    public void A_row_is_brought_to_the_root_mean_square_of_one()
    {
        using Device device = TestDevice.Open();

        float[] y = Functions.RmsNorm(device.Array([1, 4], [3, -3, 3, -3]), default, 0).ToArray();

        y.Should().Equal(1, -1, 1, -1);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-20f)]
    [InlineData(1e-40f)]
    public void Tiny_rows_are_divided_by_the_root_of_epsilon(float x)
    {
        using Device device = TestDevice.Open();
        DeviceArray row = device.Array([1, 20], [.. Enumerable.Repeat(x, 20)]);
        float expected = x / MathF.Sqrt(Epsilon);

        float[] y = Functions.RmsNorm(row, default, Epsilon).ToArray();

        y.Should().OnlyContain(value => Math.Abs(value - expected) <= 1e-6 * expected + float.Epsilon);
    }

    [Theory]
    [InlineData(1e15f)]
    [InlineData(-1e15f)]
    [InlineData(1e-20f)]
    [InlineData(0f)]
    public void Extreme_values_stay_finite(float value)
    {
        using Device device = TestDevice.Open();
        Shape shape = [1, 1, 40];
        float[] x = [.. Enumerable.Repeat(value, 40)];
        float[] z = [.. Enumerable.Range(0, 40).Select(i => i % 2 == 0 ? 80f : -80f)];
        DifferentiableFunction function = new(
            inputs =>
            [
                Functions.RmsNorm(inputs[0], default, Epsilon),
                Functions.LayerNorm(inputs[0], default, default, Epsilon),
                Functions.GatedRmsNorm(inputs[0], inputs[1], default, default, Epsilon),
                Functions.GatedRmsNorm(inputs[0], inputs[1], default, default, Epsilon, 8, normBeforeGate: true),
            ],
            (shape, x),
            (shape, z));

        Results results = function.Run(device);

        results.Outputs.Concat(results.Gradients).SelectMany(values => values)
            .Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void A_gradient_that_is_not_wanted_leaves_the_others_as_they_are()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([3, 20], Samples.Normal(1, 60)), z = device.Array([3, 20], Samples.Normal(2, 60));
        DeviceArray weight = device.Array([20], Samples.Normal(3, 20));
        float[] all = WeightGradient(x, z, weight), only = WeightGradient(weight);

        only.ShouldHaveTheBitsOf(all);

        float[] WeightGradient(params DeviceArray[] watched)
        {
            using Tape tape = new(device);
            Array.ForEach(watched, tape.Watch);
            DeviceArray y = Functions.GatedRmsNorm(x, z, weight, default, Epsilon);
            DeviceArray normalised = Functions.RmsNorm(x, weight, Epsilon);
            tape.Backward(
                (y, device.Array([3, 20], Samples.Normal(4, 60))),
                (normalised, device.Array([3, 20], Samples.Normal(5, 60))));
            return tape.GradientOf(weight).ToArray();
        }
    }

    [Fact]
    public void Without_a_tape_nothing_is_allocated()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([1, 512]), z = device.Zeros([1, 512]), weight = device.Zeros([512]);
        void Step()
        {
            using DeviceScope scope = device.Scope();
            Functions.AddRmsNorm(x, z, weight, Epsilon);
            Functions.LayerNorm(x, weight, weight, Epsilon);
            Functions.GatedRmsNorm(x, z, weight, default, Epsilon, 64);
        }

        for (int i = 0; i < 10; i++)
        {
            Step();
        }

        long allocated = Allocations.Of(Step);

        allocated.Should().Be(0);
    }

    [Fact]
    public void A_gradient_of_the_sum_alone_reaches_both_terms()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 6], Samples.Normal(1, 12));
        DeviceArray residual = device.Array([2, 6], Samples.Normal(2, 12));
        DeviceArray gradient = device.Array([2, 6], Samples.Normal(4, 12));
        DeviceArray weight = device.Array([6], Samples.Normal(3, 6));
        using Tape tape = new(device);
        tape.Watch(x);
        tape.Watch(residual);
        tape.Watch(weight);

        tape.Backward((Functions.AddRmsNorm(x, residual, weight, Epsilon).Sum, gradient));

        tape.GradientOf(x).ToArray().Should().Equal(gradient.ToArray());
        tape.GradientOf(residual).ToArray().Should().Equal(gradient.ToArray());
        tape.GradientOf(weight).ToArray().Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 6]);

        Action wrongWeight = () => Functions.RmsNorm(x, device.Zeros([5]), Epsilon);
        Action wrongBias = () => Functions.LayerNorm(x, default, device.Zeros([2, 3]), Epsilon);
        Action wrongResidual = () => Functions.AddRmsNorm(x, device.Zeros([3, 6]), default, Epsilon);
        Action wrongGate = () => Functions.GatedRmsNorm(x, device.Zeros([2, 5]), default, default, Epsilon);
        Action wrongGroup = () => Functions.GatedRmsNorm(x, x, default, default, Epsilon, 4);

        wrongWeight.Should().Throw<ArgumentException>().WithMessage("*the weight of shape [6]; found [5]*");
        wrongBias.Should().Throw<ArgumentException>().WithMessage("*the bias of shape [6]; found [2, 3]*");
        wrongResidual.Should().Throw<ArgumentException>().WithMessage("*the residual of shape [2, 6]; found [3, 6]*");
        wrongGate.Should().Throw<ArgumentException>().WithMessage("*z of shape [2, 6]; found [2, 5]*");
        wrongGroup.Should().Throw<ArgumentException>().WithMessage("*divides 6; found 4*");
    }

    /// <summary>Every norm, with and without its optional arrays.</summary>
    private static IEnumerable<(string Name, DifferentiableFunction Function)> All(
        int batch, int length, int width, int groupSize)
    {
        (Shape, float[])? x = Input(1, [batch, length, width]), other = Input(2, [batch, length, width]);
        (Shape, float[])? weight = Input(3, [width]), bias = Input(4, [width]);

        // ε is large, so that rows of one or two values have gradients that are not mere rounding.
        const float Large = 0.3f;
        yield return ("RMS norm", new(a => [Functions.RmsNorm(a[0], a[1], Large)], x, weight));
        yield return ("RMS norm without weight", new(a => [Functions.RmsNorm(a[0], default, Large)], x));
        yield return ("RMS norm of a sum", new(
            a =>
            {
                (DeviceArray y, DeviceArray sum) = Functions.AddRmsNorm(a[0], a[1], a[2], Large);
                return [y, sum];
            },
            x,
            other,
            weight));
        yield return ("layer norm", new(a => [Functions.LayerNorm(a[0], a[1], a[2], Large)], x, weight, bias));
        yield return ("layer norm without weight", new(a => [Functions.LayerNorm(a[0], default, default, Large)], x));
        yield return ("layer norm of a sum", new(
            a =>
            {
                (DeviceArray y, DeviceArray sum) = Functions.AddLayerNorm(a[0], a[1], a[2], a[3], Large);
                return [y, sum];
            },
            x,
            other,
            weight,
            bias));
        foreach (bool before in new[] { false, true })
        {
            yield return ($"gated norm, norm first: {before}", new(
                a => [Functions.GatedRmsNorm(a[0], a[1], a[2], a[3], Large, groupSize, before)],
                x,
                other,
                weight,
                bias));
            yield return ($"plain gated norm, norm first: {before}", new(
                a => [Functions.GatedRmsNorm(a[0], a[1], default, default, Large, null, before)], x, other));
        }
    }
}
