using Mamba.StateSpace;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.StateSpace;

public sealed class TimeStepsTests
{
    [Theory]
    [InlineData(1e-4)]
    [InlineData(1e-3)]
    [InlineData(0.1)]
    [InlineData(2.0)]
    [InlineData(15.0)]
    public void Softplus_of_its_inverse_is_the_step(double delta) =>
        Softplus(TimeSteps.InverseSoftplus(delta)).Should().BeApproximately(delta, 1e-14 * Math.Max(1, delta));

    [Fact]
    public void The_inverse_keeps_its_digits_at_both_ends()
    {
        TimeSteps.InverseSoftplus(1e-8).Should().BeApproximately(Math.Log(1e-8) + 0.5e-8, 1e-14);
        TimeSteps.InverseSoftplus(1000).Should().Be(1000);
    }

    [Fact]
    public void Steps_are_spread_evenly_over_the_logarithm_of_their_range()
    {
        Random random = new(1);

        double[] steps = [.. Enumerable.Range(0, 10_000).Select(_ => TimeSteps.Sample(random))];

        steps.Should().OnlyContain(step => step >= 0.999e-3 && step <= 0.1001);
        steps.Count(step => step < 1e-2).Should().BeInRange(4_800, 5_200); // the middle of the logarithms
    }

    [Fact]
    public void No_step_falls_below_the_floor()
    {
        Random random = new(1);

        double[] steps = [.. Enumerable.Range(0, 100).Select(_ => TimeSteps.Sample(random, 1e-6, 1e-3, 1e-4))];

        steps.Min().Should().Be(1e-4);
        steps.Max().Should().BeGreaterThan(1e-4);
    }

    [Fact]
    public void Biases_give_steps_of_the_range_and_the_seed_gives_the_biases()
    {
        float[] bias = new float[200], again = new float[200];

        TimeSteps.FillBias(new(3), bias, 1e-3, 1e-1);
        TimeSteps.FillBias(new(3), again, 1e-3, 1e-1);

        bias.Select(value => Softplus(value)).Should().OnlyContain(step => step > 0.999e-3 && step < 0.1001);
        bias.Distinct().Count().Should().BeGreaterThan(190);
        again.ShouldHaveTheBitsOf(bias);
    }

    [Theory]
    [InlineData(double.NaN, 0.1, 1e-4, "minimum")]
    [InlineData(0.0, 0.1, 1e-4, "minimum")]
    [InlineData(-1.0, 0.1, 1e-4, "minimum")]
    [InlineData(double.PositiveInfinity, 0.1, 1e-4, "minimum")]
    [InlineData(1e-3, double.NaN, 1e-4, "maximum")]
    [InlineData(1e-3, double.PositiveInfinity, 1e-4, "maximum")]
    [InlineData(1e-3, 1e-4, 1e-5, "maximum")]
    [InlineData(1e-3, 0.1, double.NaN, "floor")]
    [InlineData(1e-3, 0.1, -1e-4, "floor")]
    [InlineData(1e-3, 0.1, 0.2, "floor")]
    [InlineData(1e-3, 0.1, double.PositiveInfinity, "floor")]
    public void A_range_that_makes_no_sense_is_refused_by_name_and_nothing_is_written(
        double minimum, double maximum, double floor, string name)
    {
        float[] bias = [7, 7];

        Action sample = () => TimeSteps.Sample(new(1), minimum, maximum, floor);
        Action fill = () => TimeSteps.FillBias(new(1), bias, minimum, maximum, floor);
        Action fillNothing = () => TimeSteps.FillBias(new(1), [], minimum, maximum, floor);

        sample.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name).WithMessage("*must be*found*");
        fill.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
        fillNothing.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
        bias.Should().Equal(7, 7);
    }

    [Fact]
    public void A_source_of_randomness_is_needed_and_biases_are_floats()
    {
        Action sample = () => TimeSteps.Sample(null!);
        Action fill = () => TimeSteps.FillBias(null!, []);
        Action beyond = () => TimeSteps.FillBias(new(1), new float[1], 1, 1e60);

        sample.Should().Throw<ArgumentNullException>().WithParameterName("random");
        fill.Should().Throw<ArgumentNullException>().WithParameterName("random");
        beyond.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("maximum");
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(-1.0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void The_inverse_of_softplus_needs_a_positive_number(double delta)
    {
        Action invert = () => TimeSteps.InverseSoftplus(delta);

        invert.Should().Throw<ArgumentOutOfRangeException>()
            .WithParameterName(nameof(delta)).WithMessage("*must be*found*");
    }

    [Fact]
    public void An_empty_or_negative_range_is_refused()
    {
        Action empty = () => TimeSteps.Sample(new(1), 0.2, 0.1);
        Action negative = () => TimeSteps.Sample(new(1), -1, 0.1);
        Action zero = () => TimeSteps.InverseSoftplus(0);

        empty.Should().Throw<ArgumentOutOfRangeException>();
        negative.Should().Throw<ArgumentOutOfRangeException>();
        zero.Should().Throw<ArgumentOutOfRangeException>();
    }
}
