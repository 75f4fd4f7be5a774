using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class ReductionTests
{
    // Some tens of additions in float32 per lane, whose roundings of 6e-8 each mostly cancel; the samples do not.
    private const double Tolerance = 4e-7;

    // One product, rounded.
    private const double GradientTolerance = 1e-7;

    public static TheoryData<string> Names => ["Sum", "Mean", "Scale"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_at_every_length(string name)
    {
        for (int length = name == "Mean" ? 1 : 0; length < 140; length++)
        {
            Check(name, [length]).ShouldMatchTheReference(Tolerance, GradientTolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_over_many_items(string name)
    {
        Check(name, [3, 40_001]).ShouldMatchTheReference(Tolerance, GradientTolerance);
        Check(name, [301, 1033]).ShouldMatchTheReference(Tolerance, GradientTolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_gradients_are_differences(string name) =>
        Check(name, [3, 4]).ShouldHaveTheDifferencesAsReferenceGradients();

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name) =>
        Check(name, [100_003]).ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void A_sum_of_very_many_equal_terms_is_exact()
    {
        using Device device = TestDevice.Open(2);
        DeviceArray ones = device.Allocate([20_000_001]);
        device.Fill(ones, 1f);

        Functions.Sum(ones).ToArray().Should().Equal(20_000_000f); // 20 000 001 is no float32
        device.SumOfSquares(ones).Should().Be(20_000_001);
    }

    [Fact]
    public void Slices_are_summed_without_their_neighbours()
    {
        float[] values = Samples.Uniform(1, 700 * 67, -1, 2);
        using Device device = TestDevice.Open(2);
        DeviceArray slice = FunctionCheck.SliceOf(device, [700, 67], values);

        Functions.Sum(slice).ToArray().ShouldBeClose([values.Sum(value => (double)value)], Tolerance);
        double squares = values.Sum(value => (double)value * value);
        device.SumOfSquares(slice).Should().BeApproximately(squares, 1e-6 * squares);
        Functions.Scale(slice, 2f).ToArray().Should().Equal(values.Select(value => 2 * value));
    }

    [Fact]
    public void Sum_of_squares_has_the_same_bits_on_any_number_of_threads()
    {
        float[] values = Samples.Normal(1, 200_017);
        using CpuDevice one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);

        double expected = one.SumOfSquares(one.Array([values.Length], values));

        five.SumOfSquares(five.Array([values.Length], values)).Should().Be(expected);
    }

    [Fact]
    public void Sum_of_squares_matches_the_definition()
    {
        float[] values = Samples.Normal(1, 5003);
        double expected = values.Sum(value => (double)value * value);
        using Device device = TestDevice.Open();

        double actual = device.SumOfSquares(device.Array([values.Length], values));

        actual.Should().BeApproximately(expected, 3e-7 * expected);
    }

    [Fact]
    public void Scaling_in_place_gives_what_scaling_elsewhere_gives()
    {
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Array([20_001], Samples.Normal(1, 20_001));
        float[] expected = Functions.Scale(x, 0.3f).ToArray();

        device.Scale(x, 0.3f, x);

        x.ToArray().ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void NaN_stays_NaN()
    {
        using Device device = TestDevice.Open();

        Functions.Sum(device.Array([3], [1, float.NaN, 2])).ToArray().Should().Equal(float.NaN);
        device.SumOfSquares(device.Array([3], [1, float.NaN, 2])).Should().Be(double.NaN);
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3]);

        Action sum = () => device.Sum(x, 1, x);
        Action scale = () => device.Scale(x, 1, device.Zeros([3, 2]));

        sum.Should().Throw<ArgumentException>().WithMessage("*one element*[2, 3]*");
        scale.Should().Throw<ArgumentException>().WithMessage("*[2, 3]*[3, 2]*");
    }

    private static FunctionCheck Check(string name, Shape shape) =>
        new(
            x => name switch
            {
                "Sum" => Functions.Sum(x[0]),
                "Mean" => Functions.Mean(x[0]),
                "Scale" => Functions.Scale(x[0], 0.3f),
                _ => throw new ArgumentException($"No function is called {name}."),
            },
            (shape, Samples.Uniform((int)shape.Count, (int)shape.Count, -1, 2)));
}
