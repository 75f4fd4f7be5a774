using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>Cross-entropy with weights and smoothing, and the Dice loss, against their formulas.</summary>
public sealed class WeightedLossTests
{
    // Logarithms of sums of exponentials, and sums of a few hundred of them.
    private const double Tolerance = 2e-6;

    public static TheoryData<int, int, bool, bool, double> Cases => new()
    {
        { 6, 5, false, false, 0 },
        { 6, 5, true, false, 0 },
        { 6, 5, false, true, 0 },
        { 6, 5, false, false, 0.1 },
        { 40, 33, true, true, 0.3 },
        { 7, 3, true, true, 1 },
        { 1, 2, true, true, 0.5 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Cross_entropy_matches_its_formula(
        int rows, int classes, bool ofClasses, bool ofRows, double smoothing)
    {
        float[] logits = Samples.Normal(1, rows * classes, 3);
        float[] w = ofClasses ? Samples.Uniform(2, classes, 0, 2) : [];
        float[] r = ofRows ? Samples.Uniform(3, rows, 0, 2) : [];
        int[] targets = [.. Enumerable.Range(0, rows).Select(row => row % 4 == 2 ? -100 : row * 7 % classes)];
        FunctionCheck check = new(
            x => Functions.WeightedCrossEntropy(x[0], x[0].Device.Indices(targets), w, r, smoothing),
            ([rows, classes], logits));

        check.ShouldMatchTheReference(Tolerance, Tolerance);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldGiveTheSameBitsOnSlices();
        check.ShouldHaveTheDifferencesAsReferenceGradients();
        using ReferenceDevice device = TestDevice.Reference();
        double sum = 0, total = 0;
        for (int row = 0; row < rows; row++)
        {
            if (targets[row] < 0)
            {
                continue;
            }

            double[] x = [.. logits.Skip(row * classes).Take(classes).Select(value => (double)value)];
            double log = Math.Log(x.Sum(Math.Exp)), own = ofRows ? r[row] : 1;
            double OfClass(int c) => (ofClasses ? w[c] : 1) * (log - x[c]);
            sum += own * (1 - smoothing) * OfClass(targets[row]);
            sum += own * smoothing / classes * Enumerable.Range(0, classes).Sum(OfClass);
            total += own * (ofClasses ? w[targets[row]] : 1);
        }

        ReferenceDevice.Exact(check.Run(device, asSlices: false)[0])[0].Should().BeApproximately(sum / total, 1e-6);
    }

    [Fact]
    public void Without_weights_it_is_the_cross_entropy()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 3, 40], Samples.Normal(1, 240, 20));
        IndexArray targets = device.Indices([1, 2, -1, 39, 0, 3]);

        float weighted = Functions.WeightedCrossEntropy(x, targets, ignoreIndex: -1).ToArray()[0];

        weighted.Should().BeApproximately(Functions.CrossEntropy(x, targets, -1).ToArray()[0], 1e-5f);
    }

    [Fact]
    public void If_nothing_counts_the_loss_and_the_gradients_are_zero()
    {
        using Device device = TestDevice.Open();
        foreach (int[] targets in new int[][] { [-100, -100], [1, 1] })
        {
            DeviceArray x = device.Array([2, 3], Samples.Normal(1, 6));
            using Tape tape = new(device);
            tape.Watch(x);
            DeviceArray loss = Functions.WeightedCrossEntropy(
                x, device.Indices(targets), [1, 0, 1], smoothing: 0.1);
            tape.Backward(loss);

            loss.ToArray().Should().Equal(0);
            tape.GradientOf(x).ToArray().Should().OnlyContain(value => value == 0);
        }
    }

    [Fact]
    public void Rows_that_do_not_count_may_hold_anything()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 2], [float.NaN, float.PositiveInfinity, 1, 1]);

        DeviceArray loss = Functions.WeightedCrossEntropy(x, device.Indices([-100, 0]), smoothing: 0.1);

        loss.ToArray()[0].Should().BeApproximately(MathF.Log(2), 1e-6f);
    }

    [Theory]
    [InlineData(new[] { 3, 4 })]
    [InlineData(new[] { 2, 50, 3 })]
    [InlineData(new[] { 2, 7, 5, 33 })]
    public void Dice_matches_its_formula(int[] sizes)
    {
        Shape shape = Shape.Create(sizes);
        int count = (int)shape.Count, classes = sizes[^1], batch = sizes[0];
        float[] x = Samples.Uniform(1, count, 0, 1);
        float[] t = Array.ConvertAll(Samples.Uniform(2, count, 0, 1), value => MathF.Round(value));
        FunctionCheck check = new(inputs => Functions.Dice(inputs[0], inputs[1], 0.5f), (shape, x), (shape, t));

        check.ShouldMatchTheReference(Tolerance, Tolerance);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldGiveTheSameBitsOnSlices();
        using ReferenceDevice device = TestDevice.Reference();
        double sum = 0;
        for (int sample = 0; sample < batch; sample++)
        {
            for (int c = 0; c < classes; c++)
            {
                int each = count / batch / classes;
                int[] places = [.. Enumerable.Range(sample * each, each).Select(i => (i * classes) + c)];
                double both = places.Sum(i => (double)x[i] * t[i]), all = places.Sum(i => (double)x[i] + t[i]);
                sum += ((2 * both) + 0.5) / (all + 0.5);
            }
        }

        ReferenceDevice.Exact(check.Run(device, asSlices: false)[0])[0]
            .Should().BeApproximately(1 - (sum / batch / classes), 1e-7);
    }

    [Fact]
    public void Dice_of_equal_regions_is_zero_and_its_gradients_are_differences()
    {
        using Device device = TestDevice.Open();
        DeviceArray t = device.Array([1, 4, 2], [1, 0, 1, 0, 0, 0, 0, 0]);

        Functions.Dice(t, t).ToArray()[0].Should().Be(0);
        new FunctionCheck(
            x => Functions.Dice(x[0], x[1]),
            ([2, 3, 2], Samples.Uniform(1, 12, 0, 1)),
            ([2, 3, 2], Samples.Uniform(2, 12, 0, 1))).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3]);
        IndexArray targets = device.Indices([0, 1]);

        Refused(() => Functions.WeightedCrossEntropy(x, device.Indices([0])), "*2 targets*1*");
        Refused(() => Functions.WeightedCrossEntropy(x, device.Indices([0, 3])), "*Target 3 of row 1*3 classes*");
        Refused(() => Functions.WeightedCrossEntropy(x, targets, [1, 2]), "*3 weights, one a class; found 2*");
        Refused(() => Functions.WeightedCrossEntropy(x, targets, [], [1, 2, 3]), "*2 weights, one a row; found 3*");
        Refused(() => Functions.WeightedCrossEntropy(x, targets, [1, -1, 1]), "*classWeights*0 or more*-1*");
        Refused(() => Functions.WeightedCrossEntropy(x, targets, [], [1, float.NaN]), "*rowWeights*NaN*");
        Refused(() => Functions.WeightedCrossEntropy(x, targets, smoothing: 1.5), "*smoothing*0 to 1*1.5*");
        Refused(() => Functions.Dice(x, device.Zeros([3, 2])), "*[2, 3]*[3, 2]*");
        Refused(() => Functions.Dice(device.Zeros([2]), device.Zeros([2])), "*[batch, .., classes]*[2]*");
        Refused(() => Functions.Dice(x, x, 0), "*smoothing*0*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }
}
