using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Memory;

namespace Mamba.Tests.Gpu;

/// <summary>Arrays of bfloat16, on the device of the tests, or emulated where that is the processor.</summary>
public sealed class BFloat16Tests
{
    [Fact]
    public void A_number_is_rounded_to_the_nearest_and_a_tie_to_the_even_one()
    {
        using Device device = TestDevice.OpenGpu();
        (float Value, float Expected)[] cases =
        [
            (1f, 1f),
            (1f + F(-8), 1f), // a tie: 1 is even
            (1f + (3 * F(-8)), 1f + F(-6)), // a tie: 1 + 2⁻⁷ is odd
            (1f + F(-8) + F(-23), 1f + F(-7)),
            (1f + F(-8) - F(-23), 1f),
            (-1f - (3 * F(-8)), -1f - F(-6)),
            (2f - F(-8), 2f), // rounds up into the next exponent
            (float.Pi, 3.140625f),
        ];

        float[] rounded = RoundTrip(device, Array.ConvertAll(cases, item => item.Value));

        rounded.Should().Equal(Array.ConvertAll(cases, item => item.Expected));
    }

    [Fact]
    public void What_is_no_number_and_what_is_too_large_stays_so()
    {
        using Device device = TestDevice.OpenGpu();
        float largest = (2f - F(-7)) * F(127);
        float[] values =
        [
            float.PositiveInfinity, float.NegativeInfinity, float.NaN, -float.NaN,
            BitConverter.Int32BitsToSingle(0x7F800001), // a NaN whose upper half would be infinity
            BitConverter.Int32BitsToSingle(0x7FFFFFFF), // a NaN that rounding would carry beyond its bits
            largest, float.MaxValue, float.MinValue, 0f, -0f,
        ];

        float[] rounded = RoundTrip(device, values);

        rounded.Should().Equal(
            float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.NaN, float.NaN, float.NaN,
            largest, float.PositiveInfinity, float.NegativeInfinity, 0f, -0f);
        float.IsNegative(rounded[^1]).Should().BeTrue();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(1021)]
    public void Every_length_is_copied_whole(int count)
    {
        using Device device = TestDevice.OpenGpu();
        float[] values = [.. Enumerable.Range(0, count).Select(i => (float)(i % 256))]; // all of them exact

        RoundTrip(device, values).Should().Equal(values);
    }

    [Theory]
    [InlineData(0, 9)]
    [InlineData(1, 1)]
    [InlineData(3, 4)]
    [InlineData(3, 6)]
    [InlineData(4, 5)]
    public void A_slice_is_written_and_read_and_nothing_beside_it(int start, int width)
    {
        using Device device = TestDevice.OpenGpu();
        DeviceArray array = device.Allocate([5, 9], Precision.BFloat16);
        array.CopyFrom([.. Enumerable.Repeat(-1f, 45)]);
        float[] values = [.. Enumerable.Range(0, 5 * width).Select(i => (float)i)];

        array.Slice(start, width).CopyFrom(values);

        array.Slice(start, width).ToArray().Should().Equal(values);
        array.ToArray().Where((_, i) => i % 9 < start || i % 9 >= start + width).Should().AllBeEquivalentTo(-1f);
    }

    [Fact]
    public void An_array_and_its_views_say_how_they_are_stored()
    {
        using Device device = TestDevice.OpenGpu();
        long before = device.AllocatedBytes;
        DeviceArray array = device.AllocateOwned([4, 8], Precision.BFloat16);

        (device.AllocatedBytes - before).Should().Be(64);
        array.Precision.Should().Be(Precision.BFloat16);
        array.Slice(3, 2).Precision.Should().Be(Precision.BFloat16);
        array.Reshape([32]).Precision.Should().Be(Precision.BFloat16);
        device.Allocate([4, 8]).Precision.Should().Be(Precision.Float32);
    }

    [Fact]
    public void Memory_of_a_scope_is_not_taken_for_another_precision()
    {
        using Device device = TestDevice.OpenGpu();
        using (device.Scope())
        {
            device.Allocate([100], Precision.BFloat16);
        }

        using DeviceScope scope = device.Scope();

        device.Allocate([100]).Precision.Should().Be(Precision.Float32);
        device.Allocate([100], Precision.BFloat16).Precision.Should().Be(Precision.BFloat16);
    }

    [Theory]
    [InlineData(Precision.Float16)]
    [InlineData(Precision.Int8)]
    [InlineData(Precision.Int4)]
    public void Other_precisions_are_refused(Precision precision)
    {
        using GpuDevice device = TestDevice.OpenGpu(Precision.BFloat16);
        long before = device.AllocatedBytes;

        device.Invoking(gpu => gpu.Allocate([32], precision)).Should().Throw<NotSupportedException>()
            .WithMessage($"*{precision}*");
        device.AllocatedBytes.Should().Be(before);
    }

    private static float[] RoundTrip(Device device, float[] values)
    {
        DeviceArray array = device.Allocate([values.Length], Precision.BFloat16);
        array.CopyFrom(values);
        return array.ToArray();
    }

    private static float F(int exponent) => MathF.ScaleB(1f, exponent);
}
