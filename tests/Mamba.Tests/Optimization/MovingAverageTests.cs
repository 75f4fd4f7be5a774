using Mamba.Devices;
using Mamba.Optimization;

namespace Mamba.Tests.Optimization;

public sealed class MovingAverageTests
{
    // Twenty updates; each rounds the average once or twice, 6e-8.
    private const double Tolerance = 1e-6;

    [Fact]
    public void The_average_follows_the_weights()
    {
        using Device tested = TestDevice.Open(2);
        using Weights weights = new(tested);
        double[] expected = Array.ConvertAll(weights.Values["matrix"], value => (double)value);
        using MovingAverage average = new(weights, 0.9);
        using Optimizer optimizer = Optimizers.Make("Sgd", weights);

        for (int step = 1; step <= 20; step++)
        {
            weights.AddGradients(step);
            optimizer.Step(1);
            average.Update();
            float[] now = weights.Values["matrix"];
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = (0.9 * expected[i]) + (0.1 * now[i]);
            }
        }

        average.State.Select(named => named.Name).Should().Equal("average.matrix", "average.bias", "average.scalar");
        average.State[0].Array.ToArray().ShouldBeClose(expected, Tolerance);
        expected.Should().NotBeEquivalentTo(weights.Values["matrix"]);
    }

    [Fact]
    public void Swapping_exchanges_weights_and_averages_bit_by_bit()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        float[] first = weights.Values["bias"], second = Samples.Normal(9, first.Length);
        using MovingAverage average = new(weights, 0.5);
        weights.Parameters.ElementAt(1).Parameter.Value.CopyFrom(second);

        average.Swap();

        average.IsSwapped.Should().BeTrue();
        weights.Values["bias"].ShouldHaveTheBitsOf(first);
        average.State[1].Array.ToArray().ShouldHaveTheBitsOf(second);
        average.Invoking(swapped => swapped.Update()).Should().Throw<InvalidOperationException>();
        average.Swap();
        weights.Values["bias"].ShouldHaveTheBitsOf(second);
        average.Invoking(again => again.Update()).Should().NotThrow();
    }

    [Fact]
    public void Only_trainable_weights_are_averaged_and_the_memory_is_given_back()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        weights.Parameters.First().Parameter.IsTrainable = false;
        long before = tested.AllocatedBytes;

        MovingAverage average = new(weights, 0.5);
        average.State.Select(named => named.Name).Should().Equal("average.bias", "average.scalar");
        average.Dispose();
        average.Dispose();

        tested.AllocatedBytes.Should().Be(before);
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    public void A_decay_that_makes_no_sense_is_refused(double decay)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);

        Action make = () => new MovingAverage(weights, decay).Dispose();

        make.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(nameof(decay));
    }
}
