using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>Places of the largest numbers.</summary>
public sealed class SelectionTests
{
    [Fact]
    public void Places_of_the_largest_numbers_are_found_along_every_axis()
    {
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        foreach (Shape shape in new Shape[] { [1], [70], [5, 7], [3, 4, 33], [2, 100, 5], [0, 3] })
        {
            // Eighths, so that some numbers are equal.
            float[] values = Array.ConvertAll(Samples.Normal(1, (int)shape.Count), value => MathF.Round(value * 8) / 8);
            for (int axis = 0; axis < shape.Rank; axis++)
            {
                if (shape[axis] > 0)
                {
                    ValuesOf(Functions.ArgMax(device.Array(shape, values), axis))
                        .Should().Equal(Expected(values, shape, axis));
                    ValuesOf(Functions.ArgMax(reference.Array(shape, values), axis - shape.Rank))
                        .Should().Equal(Expected(values, shape, axis));
                }
            }
        }
    }

    [Fact]
    public void Of_equal_numbers_the_first_counts_and_NaN_is_the_largest()
    {
        using Device device = TestDevice.Open();
        float infinity = float.PositiveInfinity;
        DeviceArray x = device.Array([3, 4], [1, 3, 3, -infinity, float.NaN, infinity, float.NaN, 1, 2, 2, 2, 2]);

        ValuesOf(Functions.ArgMax(x)).Should().Equal(1, 0, 0);
        (DeviceArray values, IndexArray places) = Functions.TopK(x, 3);
        ValuesOf(places).Should().Equal(1, 2, 0, 0, 2, 1, 0, 1, 2);
        values.ToArray().Should().Equal(3, 3, 1, float.NaN, float.NaN, infinity, 2, 2, 2);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 1)]
    [InlineData(33, 2)]
    [InlineData(33, 33)]
    [InlineData(700, 9)]
    public void The_largest_of_rows_match_a_sort(int width, int k)
    {
        // Eighths, so that some numbers are equal: a sort keeps their order.
        float[] values = Array.ConvertAll(Samples.Normal(1, 3 * 4 * width), value => MathF.Round(value * 8) / 8);
        using Device device = TestDevice.Open(2);

        (DeviceArray largest, IndexArray places) = Functions.TopK(device.Array([3, 4, width], values), k);

        int[] expected =
        [
            .. values.Chunk(width)
                .SelectMany(row => Enumerable.Range(0, width).OrderByDescending(i => row[i]).Take(k)),
        ];
        largest.Shape.Should().Be(Shape.Create([3, 4, k]));
        ValuesOf(places).Should().Equal(expected);
        largest.ToArray().Should().Equal(expected.Select((place, i) => values[(i / k * width) + place]));
    }

    [Fact]
    public void Thread_count_changes_no_bit() =>
        new FunctionCheck(x => Functions.TopK(x[0], 5).Values, ([600, 90], Samples.Normal(1, 600 * 90)))
            .ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void Gradients_go_to_the_places()
    {
        // Apart by more than the steps of differences.
        float[] values = [.. Enumerable.Range(0, 90).Select(i => i * 37 % 90 / 10f)];
        FunctionCheck check = new(x => Functions.TopK(x[0], 3).Values, ([2, 5, 9], values));

        check.ShouldMatchTheReference(0, 0);
        check.ShouldGiveTheSameBitsOnSlices();
        check.ShouldHaveTheDifferencesAsReferenceGradients();
        new FunctionCheck(x => Functions.TopK(x[0], 2).Values, ([0, 3], [])).ShouldMatchTheReference(0, 0);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3]);

        Refused(() => Functions.TopK(x, 0), "*k must be from 1 to the width of [2, 3]; found 0*");
        Refused(() => Functions.TopK(x, 4), "*k must be from 1 to the width of [2, 3]; found 4*");
        Refused(() => Functions.ArgMax(x, 2), "*[2, 3]*-2 to 1*2*");
        Refused(() => Functions.ArgMax(device.Zeros([2, 0])), "*at least one element*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }

    private static int[] ValuesOf(IndexArray indices) => indices.Storage.Device.ValuesOf(indices).ToArray();

    private static int[] Expected(float[] values, Shape shape, int axis)
    {
        AxisView view = AxisView.Of(shape, axis);
        int count = (int)view.Count, inner = (int)view.Inner;
        return
        [
            .. Enumerable.Range(0, (int)view.Kept).Select(kept =>
                Enumerable.Range(0, count)
                    .MaxBy(i => values[(((kept / inner * count) + i) * inner) + (kept % inner)])),
        ];
    }
}
