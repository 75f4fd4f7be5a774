using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.Tests.Reference;
using static Mamba.Tests.Reference.DifferentiableFunction;

namespace Mamba.Tests.Orders;

/// <summary>Convolutions, and the SSD, in orders: against the reference, which gathers and puts back.</summary>
public sealed class OrderedConvolutionTests
{
    // As ConvolutionTests and SsdTests have them.
    private const double Tolerance = 1e-6, SsdTolerance = 2e-6, SsdGradientTolerance = 1e-5;

    private static readonly Dictionary<string, (ScanOrder Order, int Batch, int[]? Lengths)> Orders = new()
    {
        ["columns"] = (ScanOrder.Columns(10, 7), 2, null),
        ["backward"] = (ScanOrder.Backward, 2, null),
        ["backward, packed"] = (ScanOrder.Backward, 1, [2, 0, 40, 1, 27]),
        ["per sample"] = (ScanOrder.PerSample(ScanOrder.Random(70, 1), ScanOrder.Gilbert(7, 10)), 2, null),
        ["padding, several times"] = (
            ScanOrder.Concat(ScanOrder.Random(70, 1).Insert(0, 9), ScanOrder.From([5, 5, 3], 70)), 2, null),
    };

    public static TheoryData<string, int, int, bool> Cases =>
    [
        .. Orders.Keys.SelectMany(name => new[] { (21, 4, true), (48, 5, false), (300, 2, true), (3, 1, true) }
            .Select(sizes => (name, sizes.Item1, sizes.Item2, sizes.Item3))),
        ("columns", 2000, 4, true), ("backward", 5, 90, true),
    ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Causal_matches_the_reference(string name, int channels, int width, bool silu) =>
        Causal(name, channels, width, silu).ShouldMatchTheReference(Tolerance, Tolerance, name);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Same_matches_the_reference(string name, int channels, int width, bool silu)
    {
        (ScanOrder order, int batch, int[]? lengths) = Orders[name];
        DifferentiableFunction same = new(
            x => [Functions.SameConvolution(x[0], x[1], x[2], silu, SegmentsOf(lengths), order)],
            Input(1, [batch, 70, channels]),
            Input(2, [width, channels]),
            Input(3, [channels]));

        same.ShouldMatchTheReference(Tolerance, Tolerance, name);
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        DifferentiableFunction causal = Causal("columns", 300, 4, silu: true);
        using Device one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);

        causal.Run(five).ShouldHaveTheBitsOf(causal.Run(one));
    }

    [Fact]
    public void An_order_is_gather_convolution_and_restore()
    {
        using Device device = TestDevice.Open(2);
        ScanOrder order = ScanOrder.Spiral(10, 7);
        DeviceArray x = device.Array([2, 70, 21], Samples.Normal(1, 2 * 70 * 21));
        DeviceArray weight = device.Array([4, 21], Samples.Normal(2, 84));

        (DeviceArray y, DeviceArray window) = Functions.CausalConvolution(x, weight, order: order);
        (DeviceArray gathered, DeviceArray expectedWindow) =
            Functions.CausalConvolution(Functions.Reorder(x, order), weight);

        y.ToArray().ShouldHaveTheBitsOf(Functions.Restore(gathered, order).ToArray());
        window.ToArray().ShouldHaveTheBitsOf(expectedWindow.ToArray());
    }

    [Fact]
    public void Ssd_matches_the_reference()
    {
        foreach ((string name, (ScanOrder order, int batch, int[]? lengths)) in Orders)
        {
            DifferentiableFunction ssd = new(
                x =>
                {
                    SsdInputs inputs = new()
                    {
                        X = x[0], Delta = x[1], A = x[2], B = x[3], C = x[4], Z = x[5], Softplus = true,
                    };
                    (DeviceArray y, DeviceArray state) = Functions.Ssd(inputs, SegmentsOf(lengths), order);
                    return [y, state];
                },
                Input(1, [batch, 70, 32]),
                Input(2, [batch, 70, 4]),
                ([4], [-1, -0.5f, -2, -0.1f]),
                Input(4, [batch, 70, 16]),
                Input(5, [batch, 70, 16]),
                Input(6, [batch, 70, 32]));

            ssd.ShouldMatchTheReference(SsdTolerance, SsdGradientTolerance, name);
        }
    }

    [Fact]
    public void Ssd_of_decays_and_weights_matches_the_reference()
    {
        float[] decays = Samples.Uniform(2, 2 * 70 * 4, -0.5, -0.01);
        DifferentiableFunction ssd = new(
            x =>
            {
                SsdInputs inputs = new()
                {
                    X = x[0], LogDecay = x[1], InputScale = x[2], DiagonalScale = x[3], B = x[4], C = x[5],
                };
                (DeviceArray y, DeviceArray state) = Functions.Ssd(inputs, order: Orders["columns"].Order);
                return [y, state];
            },
            Input(1, [2, 70, 32]),
            ([2, 70, 4], decays),
            Input(3, [2, 70, 4]),
            Input(4, [2, 70, 4]),
            Input(5, [2, 70, 16]),
            Input(6, [2, 70, 16]));

        ssd.ShouldMatchTheReference(SsdTolerance, SsdGradientTolerance, "decays and weights");
    }

    [Fact]
    public void Orders_that_do_not_fit_are_refused_by_name()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([1, 6, 2]), weight = device.Zeros([3, 2]);
        ScanOrder order = ScanOrder.Rows(2, 2);
        (Action Call, string Message)[] cases =
        [
            (() => Functions.CausalConvolution(x, weight, order: order), "*[batch, 4, channels]*[1, 6, 2]*"),
            (() => Functions.SameConvolution(x, weight, order: order), "*[batch, 4, channels]*[1, 6, 2]*"),
            (() => Functions.SameConvolution(
                x, weight, segments: Segments.FromLengths([6]), order: ScanOrder.Rows(2, 3)), "*packed*6 steps*"),
        ];

        foreach ((Action call, string message) in cases)
        {
            call.Should().Throw<ArgumentException>(message).WithMessage(message);
        }
    }

    private static DifferentiableFunction Causal(string name, int channels, int width, bool silu)
    {
        (ScanOrder order, int batch, int[]? lengths) = Orders[name];
        return new(
            x =>
            {
                (DeviceArray y, DeviceArray window) = Functions.CausalConvolution(
                    x[0], x[1], x[2], silu, x[3], SegmentsOf(lengths), order);
                return [y, window];
            },
            Input(1, [batch, 70, channels]),
            Input(2, [width, channels]),
            Input(3, [channels]),
            Input(4, [lengths?.Length ?? batch, width - 1, channels]));
    }

    private static Segments? SegmentsOf(int[]? lengths) => lengths is null ? null : Segments.FromLengths(lengths);
}
