using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class LossTests
{
    // An exponential (3e-7 of itself), a sum and a quotient.
    private const double Tolerance = 8e-7;

    // The same, after the cancellation of gy - Σ gy·y, or of p - 1.
    private const double GradientTolerance = 2e-6;

    public static TheoryData<int, int> Sizes => new()
    {
        { 1, 1 }, { 3, 2 }, { 5, 7 }, { 2, 16 }, { 4, 31 }, { 7, 97 }, { 2, 1025 }, { 3, 5003 }, { 2000, 9 }, { 0, 5 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Softmax_matches_the_reference(int rows, int width)
    {
        FunctionCheck check = SoftmaxOf(rows, width);

        check.ShouldMatchTheReference(Tolerance, GradientTolerance);
        check.ShouldGiveTheSameBitsOnSlices();
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Cross_entropy_matches_the_reference(int rows, int width)
    {
        FunctionCheck check = CrossEntropyOf(rows, width, ignored: rows / 3);

        check.ShouldMatchTheReference(Tolerance, GradientTolerance);
        check.ShouldGiveTheSameBitsOnSlices();
    }

    [Fact]
    public void Reference_gradients_are_differences()
    {
        SoftmaxOf(3, 5).ShouldHaveTheDifferencesAsReferenceGradients();
        CrossEntropyOf(4, 5, ignored: 1).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        SoftmaxOf(701, 130).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        CrossEntropyOf(701, 130, ignored: 100).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Fact]
    public void A_row_alone_has_the_bits_that_it_has_among_others()
    {
        float[] values = Samples.Normal(1, 300 * 77);
        using Device device = TestDevice.Open(2);
        float[] all = Functions.Softmax(device.Array([300, 77], values)).ToArray();

        float[] alone = Functions.Softmax(device.Array([1, 77], values.AsSpan(200 * 77, 77))).ToArray();

        alone.ShouldHaveTheBitsOf(all[(200 * 77)..(201 * 77)]);
    }

    [Fact]
    public void Softmax_in_place_gives_what_it_gives_elsewhere()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([3, 50], Samples.Normal(1, 150));
        float[] expected = Functions.Softmax(x).ToArray();

        device.Softmax(x, x);

        x.ToArray().ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void Equal_logits_cost_the_logarithm_of_the_number_of_classes()
    {
        using Device device = TestDevice.Open();

        DeviceArray loss = Functions.CrossEntropy(device.Zeros([2, 3, 100]), device.Indices([1, 2, 3, 4, 5, 99]));

        loss.ToArray().ShouldBeClose([Math.Log(100)], 1e-7);
    }

    [Fact]
    public void Extreme_logits_stay_finite()
    {
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Array(
            [3, 3], [1e4f, -1e4f, 0, -3e38f, -3e38f, -3e38f, 3e38f, 1, float.NegativeInfinity]);
        using Tape tape = new(device);
        tape.Watch(logits);

        DeviceArray loss = Functions.CrossEntropy(logits, device.Indices([1, 0, 0]));
        tape.Backward(loss);

        loss.ToArray().ShouldBeClose([(2e4 + Math.Log(3)) / 3], 1e-6);
        const float third = 1 / 3f;
        tape.GradientOf(logits).ToArray().ShouldBeClose(
            [third, -third, 0f, -2 / 9f, 1 / 9f, 1 / 9f, 0f, 0f, 0f], 1e-6);
        Functions.Softmax(logits).ToArray().ShouldBeClose(
            [1f, 0f, 0f, third, third, third, 1f, 0f, 0f], 1e-6);
    }

    [Fact]
    public void NaN_stays_NaN()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1, 2], [1, float.NaN]);

        Functions.Softmax(x).ToArray().Should().OnlyContain(value => float.IsNaN(value));
        Functions.CrossEntropy(x, device.Indices([0])).ToArray().Should().Equal(float.NaN);
    }

    [Fact]
    public void Where_every_row_is_ignored_the_loss_and_its_gradients_are_0()
    {
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Array([2, 3], Samples.Normal(1, 6));
        using Tape tape = new(device);
        tape.Watch(logits);

        DeviceArray loss = Functions.CrossEntropy(logits, device.Indices([7, 7]), ignoreIndex: 7);
        tape.Backward(loss);

        loss.ToArray().Should().Equal(0f);
        tape.GradientOf(logits).ToArray().Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Ignored_rows_may_hold_anything()
    {
        float[] row = Samples.Normal(1, 5);
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Array([2, 5], [.. row, .. Enumerable.Repeat(float.NaN, 5)]);
        using Tape tape = new(device);
        tape.Watch(logits);

        DeviceArray loss = Functions.CrossEntropy(logits, device.Indices([2, Functions.IgnoredTarget]));
        tape.Backward(loss);

        loss.ToArray().ShouldHaveTheBitsOf(
            Functions.CrossEntropy(device.Array([1, 5], row), device.Indices([2])).ToArray());
        tape.GradientOf(logits).ToArray()[5..].Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(-1)]
    public void A_target_that_is_no_class_is_refused(int target)
    {
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Zeros([3, 5]);

        Action loss = () => Functions.CrossEntropy(logits, device.Indices([1, -100, target]));

        loss.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*Target {target} of row 2*5 classes*");
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray logits = device.Zeros([2, 3, 5]);

        Action tooFew = () => Functions.CrossEntropy(logits, device.Indices([1, 2]));
        Action otherShape = () => device.Softmax(logits, device.Zeros([6, 5]));

        tooFew.Should().Throw<ArgumentException>().WithMessage("*Expected 6 targets*found 2*");
        otherShape.Should().Throw<ArgumentException>().WithMessage("*[2, 3, 5]*[6, 5]*");
    }

    private static FunctionCheck SoftmaxOf(int rows, int width) =>
        new(x => Functions.Softmax(x[0]), ([rows, width], Samples.Normal(1, rows * width, 3)));

    private static FunctionCheck CrossEntropyOf(int rows, int width, int ignored)
    {
        Random random = new(5);
        int[] targets =
            [.. Enumerable.Range(0, rows).Select(row => row < ignored ? Functions.IgnoredTarget : random.Next(width))];
        return new(
            x => Functions.CrossEntropy(x[0], x[0].Device.Indices(targets)),
            ([rows, width], Samples.Normal(1, rows * width, 3)));
    }
}
