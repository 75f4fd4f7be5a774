using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class DepthwiseConvolution2dTests
{
    // Sums of up to 50 products and a sigmoid in float32.
    private const double Tolerance = 1e-6;

    /// <summary>Batch, height, width, channels, taps down and across, SiLU, stride, dilation.</summary>
    public static TheoryData<int[], int[], bool, int, int> Cases => new()
    {
        { [1, 1, 1, 1], [1, 1], false, 1, 1 },
        { [1, 1, 1, 1], [3, 3], true, 1, 1 },
        { [2, 5, 7, 3], [3, 3], true, 1, 1 },
        { [1, 14, 14, 33], [3, 3], true, 1, 1 },
        { [2, 9, 40, 17], [3, 3], false, 2, 1 },
        { [2, 9, 40, 17], [3, 3], true, 1, 2 },
        { [1, 12, 13, 5], [3, 3], true, 2, 2 },
        { [1, 12, 13, 5], [5, 5], true, 3, 2 },
        { [1, 12, 17, 5], [5, 5], true, 2, 3 },
        { [1, 11, 10, 20], [7, 7], true, 1, 1 },
        { [1, 11, 10, 20], [2, 4], true, 1, 1 },
        { [1, 11, 10, 20], [4, 2], true, 2, 1 },
        { [1, 6, 90, 16], [1, 9], true, 1, 1 },
        { [1, 90, 6, 16], [9, 1], true, 4, 1 },
        { [1, 3, 2, 4], [9, 9], true, 1, 1 },
        { [1, 3, 2, 4], [2, 3], true, 5, 7 },
        { [0, 3, 2, 4], [3, 3], true, 1, 1 },
        { [2, 0, 2, 4], [3, 3], true, 1, 1 },
        { [2, 3, 0, 4], [3, 3], true, 1, 1 },
        { [1, 70, 66, 24], [3, 3], true, 1, 1 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Matches_the_reference(int[] shape, int[] taps, bool silu, int stride, int dilation)
    {
        Check(shape, taps, silu, stride, dilation).ShouldMatchTheReference(Tolerance, 2 * Tolerance);
        Check(shape, taps, silu, stride, dilation, bias: false).ShouldMatchTheReference(Tolerance, 2 * Tolerance);
    }

    [Fact]
    public void Matches_the_reference_at_every_width()
    {
        for (int size = 0; size < 70; size++)
        {
            Check([1, 3, size, 5], [3, 3], true, 1, 1).ShouldMatchTheReference(Tolerance, 2 * Tolerance);
            Check([1, 3, 5, size + 1], [3, 3], true, 1, 1).ShouldMatchTheReference(Tolerance, 2 * Tolerance);
        }
    }

    [Theory]
    [InlineData(3, 3, 1, 1)]
    [InlineData(2, 3, 2, 1)]
    [InlineData(3, 2, 1, 2)]
    [InlineData(3, 4, 3, 2)]
    public void Reference_gradients_are_differences(int down, int across, int stride, int dilation) =>
        Check([2, 5, 6, 2], [down, across], true, stride, dilation).ShouldHaveTheDifferencesAsReferenceGradients();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Slices_and_threads_change_no_bit(int stride)
    {
        Check([2, 40, 41, 70], [3, 3], true, stride, 1).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        FunctionCheck slices = new(
            x => Functions.DepthwiseConvolution2d(x[0], Filter(x[0].Device, 2), silu: true)
                + Functions.DepthwiseConvolution2d(x[1], Filter(x[1].Device, 3)),
            ([2, 9, 12, 20], Samples.Normal(1, 4320)),
            ([2, 9, 12, 20], Samples.Normal(4, 4320)));
        slices.ShouldGiveTheSameBitsOnSlices();

        static DeviceArray Filter(Device device, int seed) => device.Array([3, 3, 20], Samples.Normal(seed, 180));
    }

    [Fact]
    public void An_image_has_the_same_bits_alone_and_in_a_batch()
    {
        using Device device = TestDevice.Open(2);
        float[] values = Samples.Normal(1, 3 * 8 * 9 * 20);
        DeviceArray weight = device.Array([3, 3, 20], Samples.Normal(2, 180));

        DeviceArray all = Functions.DepthwiseConvolution2d(device.Array([3, 8, 9, 20], values), weight);
        DeviceArray one = Functions.DepthwiseConvolution2d(
            device.Array([1, 8, 9, 20], values.AsSpan(1440, 1440)), weight);

        all.ToArray()[1440..2880].ShouldHaveTheBitsOf(one.ToArray());
    }

    [Fact]
    public void A_filter_of_one_row_is_the_convolution_over_a_sequence()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 1, 40, 18], Samples.Normal(1, 1440));
        DeviceArray weight = device.Array([1, 5, 18], Samples.Normal(2, 90));

        DeviceArray image = Functions.DepthwiseConvolution2d(x, weight, silu: true);
        DeviceArray sequence = Functions.SameConvolution(x.Reshape([2, 40, 18]), weight.Reshape([5, 18]), silu: true);

        image.ToArray().ShouldBeClose(sequence.ToArray(), Tolerance);
    }

    [Fact]
    public void The_layer_convolves_with_its_weights()
    {
        using Device device = TestDevice.Open();
        using DepthwiseConvolution2d layer = new(device, 6, 3, bias: true, new Random(1), stride: 2);
        DeviceArray x = device.Array([1, 4, 5, 6], Samples.Normal(1, 120));

        DeviceArray y = layer.Forward(x);

        y.Shape.Should().Be(Shape.Create([1, 2, 3, 6]));
        y.ToArray().ShouldHaveTheBitsOf(
            Functions.DepthwiseConvolution2d(x, layer.Weight.Value, layer.Bias!.Value, stride: 2).ToArray());
        layer.Parameters.Select(named => named.Name).Should().Equal("weight", "bias");
    }

    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([1, 14, 14, 40]), weight = device.Zeros([3, 3, 40]);
        Run();

        Allocations.Of(Run).Should().Be(0);

        void Run()
        {
            using DeviceScope scope = device.Scope();
            Functions.DepthwiseConvolution2d(x, weight, silu: true);
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 5, 6, 3]), weight = device.Zeros([3, 3, 3]);

        Refused(() => Functions.DepthwiseConvolution2d(device.Zeros([5, 6, 3]), weight), "*channels]*[5, 6, 3]*");
        Refused(() => Functions.DepthwiseConvolution2d(x, device.Zeros([9, 3])), "*taps across, 3]*[9, 3]*");
        Refused(() => Functions.DepthwiseConvolution2d(x, device.Zeros([3, 3, 4])), "*taps across, 3]*[3, 3, 4]*");
        Refused(() => Functions.DepthwiseConvolution2d(x, weight, device.Zeros([4])), "*bias*[3]*[4]*");
        Refused(() => Functions.DepthwiseConvolution2d(x, weight, stride: 0), "*stride*");
        Refused(() => Functions.DepthwiseConvolution2d(x, weight, dilation: 0), "*dilation*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }

    private static FunctionCheck Check(
        int[] shape, int[] taps, bool silu, int stride, int dilation, bool bias = true)
    {
        int channels = shape[3];
        return new(
            x => Functions.DepthwiseConvolution2d(
                x[0], x[1], bias ? x[2] : default, silu, stride, dilation),
            (Shape.Create(shape), Samples.Normal(1, shape.Aggregate((a, b) => a * b))),
            ([taps[0], taps[1], channels],
                Samples.Normal(2, taps[0] * taps[1] * channels, 1 / Math.Sqrt(taps[0] * taps[1]))),
            ([channels], Samples.Normal(3, channels)));
    }
}
