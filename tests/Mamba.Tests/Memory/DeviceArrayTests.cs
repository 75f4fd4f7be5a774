using System.Numerics.Tensors;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Memory;

public sealed class DeviceArrayTests
{
    [Fact]
    public void A_slice_shows_columns_of_every_row()
    {
        using Device tested = TestDevice.Open();
        DeviceArray array = tested.Array([2, 4], [0, 1, 2, 3, 4, 5, 6, 7]);

        DeviceArray slice = array.Slice(1, 2);

        slice.Shape.Should().Be(Shape.Create([2, 2]));
        slice.ToArray().Should().Equal(1, 2, 5, 6);
        slice.CopyFrom([10, 20, 50, 60]);
        array.ToArray().Should().Equal(0, 10, 20, 3, 4, 50, 60, 7);
        slice.Slice(1, 1).ToArray().Should().Equal(20, 60);
    }

    [Fact]
    public void A_slice_keeps_its_last_axis_when_it_is_reshaped()
    {
        using Device tested = TestDevice.Open();
        DeviceArray slice = tested.Array([2, 3, 4], Samples.Normal(1, 24)).Slice(1, 2);

        slice.Reshape([6, 2]).ToArray().Should().Equal(slice.ToArray());
        slice.Invoking(array => array.Reshape([12])).Should().Throw<ArgumentException>()
            .WithMessage("*[2, 3, 2]*[12]*");
    }

    [Fact]
    public void An_array_converts_to_a_tensor_and_back()
    {
        using Device tested = TestDevice.Open();
        DeviceArray array = tested.Array([2, 3], [1, 2, 3, 4, 5, 6]);

        Tensor<float> tensor = array.ToTensor();
        DeviceArray back = tested.Array(tensor);

        tensor.Lengths.ToArray().Should().Equal(2, 3);
        tensor[1, 0].Should().Be(4);
        back.Shape.Should().Be(array.Shape);
        back.ToArray().Should().Equal(array.ToArray());
    }

    [Theory]
    [InlineData(1, 100_003)]
    [InlineData(1003, 70)]
    [InlineData(2, 1)]
    public void Filling_a_slice_sets_all_of_it_and_nothing_else(int rows, int width)
    {
        using Device tested = TestDevice.Open(3);
        DeviceArray array = tested.Array([rows, width + 2], Enumerable.Repeat(1f, rows * (width + 2)).ToArray());

        tested.Fill(array.Slice(1, width), 2f);

        array.Slice(1, width).ToArray().Should().OnlyContain(value => value == 2f);
        array.Slice(0, 1).ToArray().Should().OnlyContain(value => value == 1f);
        array.Slice(width + 1, 1).ToArray().Should().OnlyContain(value => value == 1f);
        tested.Zeros([rows, width]).ToArray().Should().OnlyContain(value => value == 0f);
    }

    [Fact]
    public void Wrong_numbers_of_elements_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray array = tested.Zeros([2, 3]);

        array.Invoking(a => a.CopyFrom(new float[5])).Should().Throw<ArgumentOutOfRangeException>();
        array.Invoking(a => a.CopyTo(new float[5])).Should().Throw<ArgumentOutOfRangeException>();
        array.Invoking(a => a.Reshape([7])).Should().Throw<ArgumentException>();
        array.Invoking(a => a.Slice(2, 2)).Should().Throw<ArgumentOutOfRangeException>();
        tested.Invoking(device => device.Array([2], [1f])).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Shapes_have_one_to_six_axes_that_are_not_negative()
    {
        Func<Shape> none = () => Shape.Create([]), seven = () => [1, 1, 1, 1, 1, 1, 1], negative = () => [2, -1];

        none.Should().Throw<ArgumentException>();
        seven.Should().Throw<ArgumentException>();
        negative.Should().Throw<ArgumentOutOfRangeException>();
        Shape.Create([2, 1, 3, 1, 2, 5]).Should().NotBe(Shape.Create([2, 1, 3, 1, 2, 6]));
        Shape.Create([2, 3, 4]).ToString().Should().Be("[2, 3, 4]");
        Shape.Create([2, 0, 4]).Count.Should().Be(0);
    }

    [Fact]
    public void Segments_that_cross_a_row_are_refused()
    {
        Action across = () => _ = new Sequences([2, 4, 1], Segments.FromLengths([3, 3, 2]));
        Action tooFew = () => _ = new Sequences([2, 4, 1], Segments.FromLengths([4, 3]));
        Action falling = () => Segments.FromCumulative([0, 3, 2]);

        across.Should().Throw<ArgumentException>().WithMessage("*row 0*");
        tooFew.Should().Throw<ArgumentException>().WithMessage("*7 tokens*8*");
        falling.Should().Throw<ArgumentException>().WithMessage("*2 after 3*");
    }

    [Fact]
    public void Memory_that_nobody_has_written_is_NaN_if_that_is_asked_for()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("MAMBA_POISON_MEMORY") == "1", "Set MAMBA_POISON_MEMORY=1.");
        using CpuDevice device = new();
        using (device.Scope())
        {
            device.Zeros([100]);
        }

        using DeviceScope scope = device.Scope();
        device.Allocate([100]).ToArray().Should().OnlyContain(value => float.IsNaN(value), "the pool's memory, too");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(1024)]
    [InlineData(5000)]
    public unsafe void Poisoned_memory_ends_at_a_page_that_nobody_may_touch(int length)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable("MAMBA_POISON_MEMORY") == "1",
            "Set MAMBA_POISON_MEMORY=1 on Linux.");
        using CpuDevice device = new();
        using DeviceScope scope = device.Scope();
        DeviceArray array = device.Allocate([length]);

        nint end = (nint)(((CpuStorage)array.Storage).Pointer + length);

        File.ReadLines("/proc/self/maps").Should().Contain(
            line => line.StartsWith($"{end:x}-", StringComparison.Ordinal) && line.Contains(" ---p "));
    }
}
