using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class AxisSwapTests
{
    [Theory]
    [InlineData(new[] { 5, 7 }, new[] { 1, 0 })]
    [InlineData(new[] { 1, 7 }, new[] { 1, 0 })]
    [InlineData(new[] { 70, 33 }, new[] { -1, 0 })]
    [InlineData(new[] { 0, 33 }, new[] { 1, 0 })]
    [InlineData(new[] { 3, 130, 67 }, new[] { 0, 2, 1 })]
    [InlineData(new[] { 3, 5, 7 }, new[] { 1, 0, 2 })]
    [InlineData(new[] { 3, 33, 70 }, new[] { 1, 0, 2 })]
    [InlineData(new[] { 3, 5, 7 }, new[] { 2, 1, 0 })]
    [InlineData(new[] { 3, 5, 7 }, new[] { 0, 1, 2 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 0, 2, 1, 3 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 0, 3, 1, 2 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 3, 1, 0, 2 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 2, 0, 3, 1 })]
    [InlineData(new[] { 2, 1, 4, 1 }, new[] { 3, 2, 1, 0 })]
    [InlineData(new[] { 2, 3, 4, 2, 3, 5 }, new[] { 0, 1, 3, 5, 2, 4 })]
    [InlineData(new[] { 2, 300, 3, 40 }, new[] { 0, 2, 1, 3 })]
    public void Permute_matches_the_definition(int[] shape, int[] axes)
    {
        float[] values = Samples.Normal(1, (int)Shape.Create(shape).Count);
        (int[] sizes, float[] expected) = Permuted(shape, values, axes);
        FunctionCheck check = new(x => Functions.Permute(x[0], axes), (Shape.Create(shape), values));

        check.ShouldMatchTheReference(0, 0);
        check.ShouldGiveTheSameBitsOnSlices();
        using Device device = TestDevice.Open(2);
        DeviceArray y = Functions.Permute(device.Array(Shape.Create(shape), values), axes);
        y.Shape.Should().Be(Shape.Create(sizes));
        y.ToArray().ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void Transposes_at_every_size()
    {
        for (int size = 0; size < 70; size++)
        {
            Check([2, size, 9]).ShouldMatchTheReference(0, 0);
            Check([9, size, 1]).ShouldMatchTheReference(0, 0);
        }

        static FunctionCheck Check(Shape shape) => new(
            x => Functions.SwapAxes(x[0], 1, -1), (shape, Samples.Normal(1, (int)shape.Count)));
    }

    [Fact]
    public void Reference_gradients_are_differences() =>
        new FunctionCheck(x => Functions.Permute(x[0], 2, 0, 1), ([2, 3, 4], Samples.Normal(1, 24)))
            .ShouldHaveTheDifferencesAsReferenceGradients();

    [Theory]
    [InlineData(1, 2)]
    [InlineData(0, 1)]
    [InlineData(2, 0)]
    public void Thread_count_changes_no_bit(int a, int b) =>
        new FunctionCheck(
            x => Functions.SwapAxes(x[0], a, b), ([5, 130, 170], Samples.Normal(1, 5 * 130 * 170)))
            .ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void Swapping_twice_changes_nothing()
    {
        float[] values = Samples.Normal(1, 3 * 67 * 21);
        using Device device = TestDevice.Open(2);

        DeviceArray there = Functions.SwapAxes(device.Array([3, 67, 21], values), 0, 2);

        there.Shape.Should().Be(Shape.Create([21, 67, 3]));
        Functions.SwapAxes(there, 2, 0).ToArray().ShouldHaveTheBitsOf(values);
    }

    [Fact]
    public void Wrong_axes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 4]);

        Action twice = () => Functions.Permute(x, 0, 1, 1);
        Action few = () => Functions.Permute(x, 0, 1);
        Action none = () => Functions.SwapAxes(x, 0, 3);

        twice.Should().Throw<ArgumentException>().WithMessage("*3 axes of [2, 3, 4] once*[0, 1, 1]*");
        few.Should().Throw<ArgumentException>().WithMessage("*3 axes of [2, 3, 4] once*[0, 1]*");
        none.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*[2, 3, 4]*-3 to 2*3*");
    }

    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([3, 110, 70]);
        Run();

        Allocations.Of(Run).Should().Be(0);

        void Run()
        {
            using DeviceScope scope = device.Scope();
            Functions.SwapAxes(x, 1, 2);
            Functions.Permute(x, 2, 1, 0);
        }
    }

    private static (int[] Sizes, float[] Values) Permuted(int[] shape, float[] values, int[] axes)
    {
        int[] order = Array.ConvertAll(axes, axis => axis < 0 ? axis + shape.Length : axis);
        int[] sizes = Array.ConvertAll(order, axis => shape[axis]), index = new int[shape.Length];
        float[] permuted = new float[values.Length];
        for (int i = 0; i < permuted.Length; i++)
        {
            for (int axis = shape.Length - 1, left = i; axis >= 0; left /= sizes[axis], axis--)
            {
                index[order[axis]] = left % sizes[axis];
            }

            permuted[i] = values[index.Zip(shape).Aggregate(0, (sum, next) => (sum * next.Second) + next.First)];
        }

        return (sizes, permuted);
    }
}
