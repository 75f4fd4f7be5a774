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
