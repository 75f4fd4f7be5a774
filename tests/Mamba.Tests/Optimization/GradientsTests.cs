using Mamba.Devices;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Tests.Optimization;

public sealed class GradientsTests
{
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Gradients_that_are_not_finite_are_told_and_left_alone(float value)
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        weights.AddGradients(1);
        DeviceArray matrix = weights.Parameters.First().Parameter.Gradient;
        float[] gradient = matrix.ToArray();
        gradient[5] = value;
        matrix.CopyFrom(gradient);

        double norm = Gradients.Clip(weights, 0.1);

        double.IsFinite(norm).Should().BeFalse();
        matrix.ToArray().ShouldHaveTheBitsOf(gradient);
    }

    [Fact]
    public void Cleared_gradients_are_finite_again()
    {
        using Device tested = TestDevice.Open();
        using Weights weights = new(tested);
        weights.AddGradients(1);
        DeviceArray matrix = weights.Parameters.First().Parameter.Gradient;
        double expected = Gradients.Norm(weights);
        tested.Fill(matrix, float.NaN);

        weights.ClearGradients();

        Gradients.Norm(weights).Should().Be(0);
        weights.AddGradients(1);
        Gradients.Norm(weights).Should().Be(expected);
    }
}
