using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

/// <summary>Functions that cut arrays along an axis and put them together.</summary>
public sealed class AxisPartsTests
{
    // Sums of the few entries that a repeated one has.
    private const double GradientTolerance = 1e-6;

    public static TheoryData<string> Names => ["Slice", "Split", "Concat", "Stack", "Pad", "Flip", "Repeat"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_along_every_axis(string name)
    {
        foreach (Shape shape in new Shape[] { [2, 5, 7], [1, 4, 3, 2], [9], [33, 4], [4, 70], [3, 4, 33], [0, 4, 3] })
        {
            for (int axis = shape[0] == 0 ? 1 : 0; axis < shape.Rank; axis++)
            {
                if (shape[axis] >= 3)
                {
                    FunctionCheck check = Check(name, shape, axis);
                    check.ShouldMatchTheReference(0, GradientTolerance);
                    check.ShouldGiveTheSameBitsOnSlices();
                    Check(name, shape, axis - shape.Rank).ShouldMatchTheReference(0, GradientTolerance);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_gradients_are_differences(string name)
    {
        Check(name, [2, 3, 4], 1).ShouldHaveTheDifferencesAsReferenceGradients();
        Check(name, [2, 3, 4], 2).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name)
    {
        Check(name, [3, 101, 130], 1).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        Check(name, [3, 101, 130], 2).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Fact]
    public void Entries_stand_where_the_definitions_say()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 3], [1, 2, 3, 4, 5, 6]), y = device.Array([2, 3], [7, 8, 9, 10, 11, 12]);

        ShouldBe(Functions.Slice(x, 0, 1, 1), [1, 3], 4, 5, 6);
        ShouldBe(Functions.Slice(x, -1, 1, 2), [2, 2], 2, 3, 5, 6);
        ShouldBe(Functions.Slice(x, 1, 3, 0), [2, 0]);
        ShouldBe(Functions.Slice(x.Reshape([1, 2, 3, 1]), 2, 1, 2), [1, 2, 2, 1], 2, 3, 5, 6);
        ShouldBe(Functions.Concat(0, x, y), [4, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        ShouldBe(Functions.Concat(1, x, y.Slice(0, 1)), [2, 4], 1, 2, 3, 7, 4, 5, 6, 10);
        ShouldBe(Functions.Stack(0, x, y), [2, 2, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        ShouldBe(Functions.Stack(1, x, y), [2, 2, 3], 1, 2, 3, 7, 8, 9, 4, 5, 6, 10, 11, 12);
        ShouldBe(Functions.Stack(-1, x, y), [2, 3, 2], 1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12);
        ShouldBe(Functions.Pad(x, 0, 1, 0), [3, 3], 0, 0, 0, 1, 2, 3, 4, 5, 6);
        ShouldBe(Functions.Pad(x, -1, 0, 2), [2, 5], 1, 2, 3, 0, 0, 4, 5, 6, 0, 0);
        ShouldBe(Functions.Flip(x, 0), [2, 3], 4, 5, 6, 1, 2, 3);
        ShouldBe(Functions.Flip(x, 1), [2, 3], 3, 2, 1, 6, 5, 4);
        ShouldBe(Functions.Repeat(x, 1, 2), [2, 6], 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
        ShouldBe(Functions.Repeat(x, 0, 2), [4, 3], 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6);
        ShouldBe(Functions.Repeat(x, 0, 0), [0, 3]);
    }

    [Fact]
    public void Parts_put_together_are_the_whole()
    {
        float[] values = Samples.Normal(1, 3 * 7 * 5);
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([3, 7, 5], values);

        for (int axis = 0; axis < 3; axis++)
        {
            DeviceArray[] parts = Functions.Split(x, axis, 1, 0, x.Shape[axis] - 1);

            Functions.Concat(axis, parts).ToArray().ShouldHaveTheBitsOf(values);
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 4]), y = device.Zeros([2, 4, 4]);

        Refused(() => Functions.Slice(x, 1, 2, 2), "*axis 1 of [2, 3, 4], from 0 to 2*2 from 2*");
        Refused(() => Functions.Slice(x, 1, -1, 2), "*axis 1 of [2, 3, 4]*");
        Refused(() => Functions.Slice(x, 3, 0, 1), "*[2, 3, 4]*-3 to 2*3*");
        Refused(() => Functions.Split(x, 1, 1, 1), "*add up to axis 1 of [2, 3, 4]*[1, 1]*");
        Refused(() => Functions.Concat(2, x, y), "*differ in axis 2 alone*[2, 3, 4]*[2, 4, 4]*");
        Refused(() => Functions.Concat(1, x, device.Zeros([2, 4])), "*differ in axis 1 alone*[2, 3, 4]*[2, 4]*");
        Refused(() => Functions.Concat(0), "*at least one array*");
        Refused(() => Functions.Stack(0, x, y), "*one shape*[2, 3, 4]*[2, 4, 4]*");
        Refused(() => Functions.Stack(5, x), "*-4 to 3*5*");
        Refused(() => Functions.Pad(x, 0, -1, 0), "*before*");
        Refused(() => Functions.Flip(x, 3), "*[2, 3, 4]*-3 to 2*3*");
        Refused(() => Functions.Repeat(x, 0, -1), "*count*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }

    private static void ShouldBe(DeviceArray y, Shape shape, params float[] values)
    {
        y.Shape.Should().Be(shape);
        y.ToArray().Should().Equal(values);
    }

    private static FunctionCheck Check(string name, Shape shape, int axis)
    {
        int size = axis < 0 ? shape[^-axis] : shape[axis];
        (Shape Shape, float[] Values) first = (shape, Samples.Normal(1, (int)shape.Count));
        (Shape Shape, float[] Values) second = (shape, Samples.Normal(2, (int)shape.Count));
        return name switch
        {
            "Slice" => new(x => Functions.Slice(x[0], axis, 1, size - 2), first),
            "Split" => new(x => Functions.Split(x[0], axis, 1, size - 1)[1], first),
            "Concat" => new(
                x => Functions.Concat(axis, x[0], Functions.Slice(x[1], axis, 0, 2), x[0]), first, second),
            "Stack" => new(x => Functions.Stack(axis, x[0], x[1]), first, second),
            "Pad" => new(x => Functions.Pad(x[0], axis, 2, 1), first),
            "Flip" => new(x => Functions.Flip(x[0], axis), first),
            "Repeat" => new(x => Functions.Repeat(x[0], axis, 3), first),
            _ => throw new ArgumentException($"No function is called {name}."),
        };
    }
}
