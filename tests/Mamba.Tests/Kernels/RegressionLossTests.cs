using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class RegressionLossTests
{
    // Means over some tens of elements, each of a few roundings of 6e-8.
    private const double Tolerance = 1e-6;

    public static TheoryData<string> Names => ["MeanSquare", "MeanAbsolute", "Huber", "BinaryCrossEntropy"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference(string name)
    {
        foreach (Shape shape in new Shape[] { [1], [7], [33, 2], [3, 5, 70] })
        {
            Check(name, shape).ShouldMatchTheReference(Tolerance, Tolerance);
            Check(name, shape).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        }

        Check(name, [2, 5, 7]).ShouldGiveTheSameBitsOnSlices();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_gradients_are_differences(string name) =>
        Check(name, [2, 3]).ShouldHaveTheDifferencesAsReferenceGradients();

    [Fact]
    public void Losses_are_those_of_the_formulas()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([4], [1, -2, 0.5f, 3]), target = device.Array([4], [1, 1, 0, 5]);

        Functions.MeanSquare(x, target).ToArray().ShouldBeClose([(9 + 0.25 + 4) / 4], Tolerance);
        Functions.MeanAbsolute(x, target).ToArray().ShouldBeClose([5.5 / 4], Tolerance);
        Functions.Huber(x, target, 2).ToArray().ShouldBeClose([(4 + 0.125 + 2) / 4], Tolerance);
    }

    [Fact]
    public void Cross_entropy_of_large_logits_is_exact()
    {
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Array([4], [500, -500, 25, -25]), target = device.Array([4], [1, 0, 1, 0]);
        DeviceArray wrong = device.Array([4], [0, 1, 0, 1]);

        Functions.BinaryCrossEntropy(logits, target).ToArray().ShouldBeClose([0.5 * Math.Exp(-25)], 1e-5);
        Functions.BinaryCrossEntropy(logits, wrong).ToArray().ShouldBeClose([262.5], Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_target_of_another_shape_is_refused(string name)
    {
        using Device device = TestDevice.Open();

        Action loss = () => Loss(name, device.Zeros([3, 1]), device.Zeros([1]));

        loss.Should().Throw<ArgumentException>().WithMessage("Expected a target of shape [3, 1]; found [1]*");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_threshold_that_makes_no_sense_is_refused(float threshold)
    {
        using Device device = TestDevice.Open();

        Action huber = () => Functions.Huber(device.Zeros([3]), device.Zeros([3]), threshold);

        huber.Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage("*threshold*a positive number that a float holds*");
    }

    private static DeviceArray Loss(string name, DeviceArray x, DeviceArray target) => name switch
    {
        "MeanSquare" => Functions.MeanSquare(x, target),
        "MeanAbsolute" => Functions.MeanAbsolute(x, target),
        "Huber" => Functions.Huber(x, target, 0.7f),
        "BinaryCrossEntropy" => Functions.BinaryCrossEntropy(x, target),
        _ => throw new ArgumentException($"No loss is called {name}."),
    };

    private static FunctionCheck Check(string name, Shape shape)
    {
        // Errors are never near 0 or the threshold: the reference's derivatives are differences.
        int count = (int)shape.Count;
        float[] target = Samples.Uniform(1, count, 0, 1), x = new float[count];
        for (int i = 0; i < count; i++)
        {
            x[i] = target[i] + ((i % 4) switch { 0 => 0.3f, 1 => -0.2f, 2 => 1.5f, _ => -2.5f });
        }

        return new(x => Loss(name, x[0], x[1]), (shape, x), (shape, target));
    }
}
