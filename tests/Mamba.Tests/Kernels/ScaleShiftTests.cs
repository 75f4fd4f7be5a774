using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class ScaleShiftTests
{
    // A product and a sum, each rounded, of numbers that partly cancel.
    private const double Tolerance = 2e-7;

    // Blocks of 64 terms in float32, whose roundings of 6e-8 each mostly cancel; on a GPU sums of 32, in float32.
    private const double GradientTolerance = 1e-6;

    /// <summary>The shape of x, and that of scale and shift.</summary>
    public static TheoryData<int[], int[]> Shapes => new()
    {
        { [2, 5, 7], [7] },
        { [2, 5, 7], [5, 7] },
        { [2, 5, 7], [2, 1, 7] },
        { [2, 5, 7], [2, 5, 1] },
        { [2, 5, 7], [2, 1, 1] },
        { [2, 5, 7], [2, 5, 7] },
        { [2, 5, 7], [1] },
        { [3, 33, 1], [33, 1] },
        { [0, 5, 7], [7] },
        { [3, 0, 7], [3, 1, 7] },
        { [3, 4, 0], [3, 1, 0] },
        { [3, 4, 0], [3, 4, 1] },
        { [70, 33], [33] },
        { [70, 33], [70, 1] },
        { [3, 300, 130], [130] },
        { [3, 300, 130], [3, 1, 130] },
        { [2, 3, 20_001], [2, 3, 1] },
        { [40_001], [1] },
        { [2, 9, 1100], [9, 1100] },
        { [700, 2, 3], [3] },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Matches_the_reference(int[] whole, int[] repeated) =>
        Check(whole, repeated).ShouldMatchTheReference(Tolerance, GradientTolerance);

    [Fact]
    public void Reference_gradients_are_differences() =>
        Check([2, 3, 4], [2, 1, 4]).ShouldHaveTheDifferencesAsReferenceGradients();

    [Fact]
    public void Slices_give_the_bits_of_their_copies() => Check([2, 5, 33], [33]).ShouldGiveTheSameBitsOnSlices();

    [Theory]
    [InlineData(new[] { 3, 900, 70 }, new[] { 70 })]
    [InlineData(new[] { 3, 900, 70 }, new[] { 3, 900, 1 })]
    [InlineData(new[] { 40, 3, 1030 }, new[] { 3, 1030 })]
    public void Thread_count_changes_no_bit(int[] whole, int[] repeated) =>
        Check(whole, repeated).ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void One_gradient_alone_has_the_bits_that_it_has_among_three(int wanted)
    {
        FunctionCheck check = Check([3, 300, 130], [130]);
        using Device device = TestDevice.Open(2);
        DeviceArray[] arrays = [.. check.Inputs.Select(input => device.Array(input.Shape, input.Values))];
        using Tape tape = new(device);
        tape.Watch(arrays[wanted]);

        DeviceArray y = Functions.ScaleShift(arrays[0], arrays[1], arrays[2]);
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(77, (int)y.Shape.Count))));

        float[] among = check.Run(device, asSlices: false)[1 + wanted].ToArray();
        tape.GradientOf(arrays[wanted]).ToArray().ShouldHaveTheBitsOf(among);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3]);
        Action other = () => Functions.ScaleShift(x, device.Zeros([3]), device.Zeros([2, 1]));
        Action larger = () => Functions.ScaleShift(x, device.Zeros([4, 2, 3]), device.Zeros([4, 2, 3]));

        other.Should().Throw<ArgumentException>().WithMessage(
            "Expected scale and shift of one shape; found [3] and [2, 1]*");
        larger.Should().Throw<ArgumentException>().WithMessage("Cannot combine [2, 3] and [4, 2, 3]*");
    }

    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([3, 40, 700]), w = device.Zeros([700]);
        Run();

        Allocations.Of(Run).Should().Be(0);

        void Run()
        {
            using DeviceScope scope = device.Scope();
            Functions.ScaleShift(x, w, w);
        }
    }

    private static FunctionCheck Check(int[] whole, int[] repeated)
    {
        Shape x = Shape.Create(whole), other = Shape.Create(repeated);
        return new(
            x => Functions.ScaleShift(x[0], x[1], x[2]),
            (x, Samples.Normal(1, (int)x.Count)),
            (other, Samples.Normal(2, (int)other.Count)),
            (other, Samples.Normal(3, (int)other.Count)));
    }
}
