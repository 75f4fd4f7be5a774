using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class AxisReductionTests
{
    // Blocks of 64 terms in float32, whose roundings of 6e-8 each mostly cancel; logarithms lose a digit.
    private const double Tolerance = 1e-6;

    public static TheoryData<int[], int> Shapes => new()
    {
        { [7], 0 },
        { [1], 0 },
        { [33], -1 },
        { [70_001], 0 },
        { [2, 5, 7], 0 },
        { [2, 5, 7], 1 },
        { [2, 5, 7], 2 },
        { [3, 70, 33], -2 },
        { [3, 33, 70], -1 },
        { [5, 1, 7], 1 },
        { [0, 5, 7], 1 },
        { [2, 5, 0], 1 },
        { [2, 200, 3], 1 },
        { [4, 2, 6, 35], 2 },
        { [3, 1100, 130], 1 },
        { [2, 66, 1030], 1 },
        { [1, 40_000, 3], 1 },
        { [3, 40_000], 1 },
        { [900, 2, 2], 1 },
        { [900, 3], 1 },
    };

    public static TheoryData<string> Names => ["Sum", "Mean", "Max", "Min", "LogSumExp"];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Matches_the_reference(int[] shape, int axis)
    {
        foreach (string name in new[] { "Sum", "Mean", "Max", "Min", "LogSumExp" })
        {
            Check(name, shape, axis, keep: false).ShouldMatchTheReference(Tolerance, Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_at_every_length(string name)
    {
        for (int length = 1; length < 70; length++)
        {
            Check(name, [2, length, 3], 1, keep: true).ShouldMatchTheReference(Tolerance, Tolerance);
            Check(name, [2, 3, length], 1, keep: true).ShouldMatchTheReference(Tolerance, Tolerance);
            Check(name, [3, length], 1, keep: true).ShouldMatchTheReference(Tolerance, Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_gradients_are_differences(string name)
    {
        Check(name, [2, 3, 4], 1, keep: false, ties: false).ShouldHaveTheDifferencesAsReferenceGradients();
        Check(name, [3, 4], 1, keep: true, ties: false).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name)
    {
        Check(name, [3, 1100, 130], 1, keep: false).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        Check(name, [90_001], 0, keep: false).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Slices_give_the_bits_of_their_copies(string name)
    {
        Check(name, [2, 7, 5], 1, keep: false).ShouldGiveTheSameBitsOnSlices();
        Check(name, [2, 7, 5], 2, keep: false).ShouldGiveTheSameBitsOnSlices();
    }

    [Fact]
    public void The_axis_goes_or_stays_with_size_1()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 4]);

        Functions.Sum(x, 1).Shape.Should().Be(Shape.Create([2, 4]));
        Functions.Max(x, -1).Shape.Should().Be(Shape.Create([2, 3]));
        Functions.LogSumExp(x, 0).Shape.Should().Be(Shape.Create([3, 4]));
        Functions.Mean(x, -3, keep: true).Shape.Should().Be(Shape.Create([1, 3, 4]));
        Functions.LogSumExp(x, 2, keep: true).Shape.Should().Be(Shape.Create([2, 3, 1]));
        Functions.Min(device.Zeros([3]), 0).Shape.Should().Be(Shape.Create([1]));
    }

    [Fact]
    public void Sums_of_nothing_are_0_and_means_NaN()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 0, 3]);

        Functions.Sum(x, 1).ToArray().Should().Equal(0, 0, 0, 0, 0, 0);
        Functions.Mean(x, 1).ToArray().Should().OnlyContain(value => float.IsNaN(value));
        Action max = () => Functions.Max(x, 1);
        max.Should().Throw<ArgumentException>().WithMessage("*at least one element*[2, 0, 3]*");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(-4)]
    public void An_axis_that_is_none_is_refused(int axis)
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 4]);

        foreach (Action use in new Action[]
            { () => Functions.Sum(x, axis), () => Functions.Max(x, axis), () => Functions.LogSumExp(x, axis) })
        {
            use.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*[2, 3, 4]*-3 to 2*{axis}*");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(17)]
    public void NaN_wins_and_the_first_of_equals_gets_the_gradient(int inner)
    {
        float[] column = [-1, 3, 2, 3, -1, float.NaN, 3, float.NaN];
        using Device device = TestDevice.Open();
        foreach ((int count, int largest, int smallest) in new[] { (5, 1, 0), (8, 5, 5) })
        {
            float[] values = [.. column[..count].SelectMany(value => Enumerable.Repeat(value, inner))];
            ShouldBeAt(Functions.Max, values, largest);
            ShouldBeAt(Functions.Min, values, smallest);

            void ShouldBeAt(Func<DeviceArray, int, bool, DeviceArray> function, float[] values, int place)
            {
                DeviceArray x = device.Array([count, inner], values);
                using Tape tape = new(device);
                tape.Watch(x);
                DeviceArray y = function(x, 0, false);
                tape.Backward(Functions.Sum(y));

                y.ToArray().Should().OnlyContain(value => value.Equals(column[place]));
                tape.GradientOf(x).ToArray().Should().Equal(
                    Enumerable.Range(0, values.Length).Select(i => i / inner == place ? 1f : 0f));
            }
        }
    }

    [Fact]
    public void A_sum_of_very_many_equal_terms_is_exact()
    {
        using Device device = TestDevice.Open(2);
        DeviceArray ones = device.Allocate([6_000_001, 3]);
        device.Fill(ones, 1f);

        Functions.Sum(ones, 0).ToArray().Should().Equal(6_000_001, 6_000_001, 6_000_001);
        Functions.Sum(ones.Reshape([18_000_003]), 0).ToArray().Should().Equal(18_000_004f); // the nearest float32
    }

    [Fact]
    public void LogSumExp_neither_overflows_nor_makes_NaN_of_infinities()
    {
        using Device device = TestDevice.Open();
        float infinity = float.PositiveInfinity;
        DeviceArray x = device.Array([5, 2], [500, 500, -500, -500, -infinity, -infinity, 1, infinity, -infinity, 2]);

        Functions.LogSumExp(x, 1).ToArray().ShouldBeClose(
            [500.693147f, -499.306853f, -infinity, infinity, 2], 1e-6);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-2)]
    [InlineData(3)]
    public void Softmax_over_any_axis_matches_the_reference(int axis)
    {
        FunctionCheck check = new(
            x => Functions.Softmax(x[0], axis), ([3, 7, 5, 33], Samples.Normal(1, 3 * 7 * 5 * 33)));

        check.ShouldMatchTheReference(1e-6, 2e-6);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        using Device device = TestDevice.Open();
        DeviceArray y = Functions.Softmax(device.Array([2, 3, 2, 2], Samples.Normal(1, 24)), axis);
        Functions.Sum(y, axis).ToArray().Should().OnlyContain(sum => Math.Abs(sum - 1) < 1e-6);
    }

    [Fact]
    public void Softmax_over_an_axis_matches_the_reference_at_every_length()
    {
        for (int length = 0; length < 70; length++)
        {
            new FunctionCheck(
                x => Functions.Softmax(x[0], 1), ([2, length, 3], Samples.Normal(length, 6 * length)))
                .ShouldMatchTheReference(1e-6, 2e-6);
        }

        new FunctionCheck(x => Functions.Softmax(x[0], 0), ([3, 4], Samples.Normal(1, 12)))
            .ShouldHaveTheDifferencesAsReferenceGradients();
        new FunctionCheck(x => Functions.Softmax(x[0], 1), ([2, 5, 7], Samples.Normal(1, 70)))
            .ShouldGiveTheSameBitsOnSlices();
    }

    [Fact]
    public void Softmax_over_an_axis_does_not_overflow()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([3, 2], [500, -500, 500, float.NegativeInfinity, 300, -500]);

        Functions.Softmax(x, 0).ToArray().Should().Equal(0.5f, 0.5f, 0.5f, 0, 0, 0.5f);
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
            Functions.Mean(x, 1);
            Functions.Max(x, 2, keep: true);
            Functions.LogSumExp(x, 0);
            Functions.Softmax(x, 1);
        }
    }

    private static FunctionCheck Check(string name, int[] shape, int axis, bool keep, bool ties = true)
    {
        Shape sizes = Shape.Create(shape);
        float[] x = Samples.Normal(1, (int)sizes.Count);
        return new(
            x => name switch
            {
                "Sum" => Functions.Sum(x[0], axis, keep),
                "Mean" => Functions.Mean(x[0], axis, keep),
                "Max" => Functions.Max(x[0], axis, keep),
                "Min" => Functions.Min(x[0], axis, keep),
                "LogSumExp" => Functions.LogSumExp(x[0], axis, keep),
                _ => throw new ArgumentException($"No function is called {name}."),
            },
            (sizes, ties ? Array.ConvertAll(x, value => MathF.Round(value * 8) / 8) : x));
    }
}
