using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Orders;

/// <summary>
/// Scans in orders: against the reference, which gathers, scans and puts back, in values and all gradients.
/// </summary>
public sealed class MultiScanTests
{
    // As SelectiveScanTests has them; outputs and gradients of up to four scans are added up.
    private const double Tolerance = 2e-6, GradientTolerance = 5e-6;

    private const int Height = 10, Width = 13;

    private static readonly ScanOrder[] Cross =
    [
        ScanOrder.Rows(Height, Width), ScanOrder.Columns(Height, Width),
        ScanOrder.Rows(Height, Width).Reversed(), ScanOrder.Columns(Height, Width).Reversed(),
    ];

    private static readonly Dictionary<string, (MultiScanCase Case, ScanOrder[] Orders)> Cases = new()
    {
        ["one order"] = (new(2, 130, 21, 5, 1), [Cross[1]]),
        ["backward"] = (new(2, 130, 21, 16, 1), [ScanOrder.Backward]),
        ["cross-scan"] = (new(2, 130, 37, 16, 4) { IsSliced = true }, Cross),
        ["cross-scan, one state"] = (new(1, 130, 70, 1, 4), Cross),
        ["without options"] = (new(2, 130, 20, 5, 2) { HasOptions = false }, [Cross[1], Cross[2]]),
        ["groups"] = (new(2, 130, 36, 6, 2) { Groups = 3 }, [Cross[3], Cross[0]]),
        ["complex"] = (new(2, 130, 18, 3, 2) { IsComplex = true, Groups = 2 }, [Cross[3], ScanOrder.Backward]),
        ["A as its logarithm"] = (new(2, 130, 18, 5, 2) { IsALog = true }, Cross[..2]),
        ["complex A as its logarithm"] = (new(1, 130, 18, 3, 2) { IsALog = true, IsComplex = true }, Cross[1..3]),
        ["constant B"] = (new(2, 130, 18, 5, 2) { HasConstantB = true }, [Cross[3], Cross[1]]),
        ["constant B and C"] = (new(2, 130, 18, 5, 2) { HasConstantB = true, HasConstantC = true }, Cross[..2]),
        ["constant C, complex"] = (new(1, 130, 9, 4, 2) { HasConstantC = true, IsComplex = true }, Cross[1..3]),
        ["packed both ways"] = (
            new(1, 130, 21, 5, 2) { SegmentLengths = [1, 70, 0, 57, 2] }, [ScanOrder.Forward, ScanOrder.Backward]),
        ["per sample"] = (
            new(2, 130, 21, 5, 2), [Cross[1], ScanOrder.PerSample(ScanOrder.Random(130, 1), Cross[2])]),
        ["padding, left out, several times"] = (
            new(2, 6, 21, 5, 2), [ScanOrder.From([3, -1, 3, 0, 1], 6), ScanOrder.Rows(2, 3).Insert(0, 3)]),
        ["no tokens"] = (new(2, 0, 21, 5, 2), [ScanOrder.Forward, ScanOrder.Backward]),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void All_results_match_the_reference(string name)
    {
        (MultiScanCase scan, ScanOrder[] orders) = Cases[name];
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, double[]> actual = scan.Run(device, orders), expected = scan.Run(reference, orders);

        foreach ((string what, double[] values) in expected)
        {
            double tolerance = what.StartsWith("gradient", StringComparison.Ordinal) ? GradientTolerance : Tolerance;
            actual[what].ShouldBeClose(values, tolerance, $"{what} of {name}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name)
    {
        (MultiScanCase scan, ScanOrder[] orders) = Cases[name];
        using Device one = TestDevice.Cpu(1), five = TestDevice.Cpu(5);

        Dictionary<string, double[]> expected = scan.Run(one, orders), actual = scan.Run(five, orders);

        foreach ((string what, double[] values) in expected)
        {
            actual[what].Should().Equal(values, $"{what} of {name}");
        }
    }

    [Fact]
    public void An_order_is_gather_scan_and_restore()
    {
        using Device device = TestDevice.Open(2);
        MultiScanCase scan = new(2, 130, 21, 5, 1);
        ScanInputs inputs = scan.Inputs(device);
        ScanOrder order = ScanOrder.Gilbert(Height, Width);

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs, order: order);
        (DeviceArray gathered, DeviceArray expectedState) = Functions.SelectiveScan(inputs with
        {
            X = Functions.Reorder(inputs.X, order), Delta = Functions.Reorder(inputs.Delta, order),
            B = Functions.Reorder(inputs.B, order), C = Functions.Reorder(inputs.C, order),
            Z = Functions.Reorder(inputs.Z, order),
        });

        y.ToArray().ShouldHaveTheBitsOf(Functions.Restore(gathered, order).ToArray());
        state.ToArray().ShouldHaveTheBitsOf(expectedState.ToArray());
    }

    [Fact]
    public void Forward_is_the_scan_itself()
    {
        using Device device = TestDevice.Open(2);
        ScanInputs inputs = new MultiScanCase(2, 70, 40, 4, 1).Inputs(device);
        float[] expected = Functions.SelectiveScan(inputs).Y.ToArray();

        Functions.SelectiveScan(inputs, order: ScanOrder.Forward).Y.ToArray().ShouldHaveTheBitsOf(expected);
        Functions.MultiScan(inputs, [ScanOrder.Forward]).Y.ToArray().ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void A_row_gives_the_same_bits_alone_and_in_a_batch()
    {
        using Device device = TestDevice.Open(2);
        ScanInputs inputs = new MultiScanCase(3, 130, 21, 5, 4).Inputs(device) with { InitialState = default };
        float[] all = Functions.MultiScan(inputs, Cross).Y.ToArray();

        float[] alone = Functions.MultiScan(
            inputs with
            {
                X = Row(inputs.X), Delta = Row(inputs.Delta), B = Row(inputs.B), C = Row(inputs.C), Z = Row(inputs.Z),
            },
            Cross).Y.ToArray();

        alone.ShouldHaveTheBitsOf(all[alone.Length..(2 * alone.Length)]);

        static DeviceArray Row(DeviceArray all) => Functions.Slice(all, 0, 1, 1);
    }

    [Fact]
    public void Gradients_are_those_of_the_inputs_that_are_watched()
    {
        using Device device = TestDevice.Open(2);
        MultiScanCase scan = new(1, 130, 21, 5, 4);
        double[] expected = scan.Run(device, Cross)["gradient of A"];
        ScanInputs inputs = scan.Inputs(device);
        using Tape tape = new(device);
        tape.Watch(inputs.A);

        (DeviceArray y, DeviceArray state) = Functions.MultiScan(inputs, Cross);
        tape.Backward((y, scan.Normal(device, 10, y.Shape)), (state, scan.Normal(device, 11, state.Shape)));

        ReferenceDevice.ValuesOf(tape.GradientOf(inputs.A)).Should().Equal(expected);
    }

    [Fact]
    public void Misuse_is_refused_by_name()
    {
        using Device device = TestDevice.Open();
        ScanInputs inputs = new MultiScanCase(2, 130, 4, 3, 2).Inputs(device);
        ScanOrder[] two = Cross[..2];
        (Action Call, string Message)[] cases =
        [
            (() => Functions.MultiScan(inputs, []), "*at least one order*"),
            (() => Functions.MultiScan(inputs, [Cross[0], null!]), "*orders*"),
            (() => Functions.MultiScan(inputs, Cross), "*A of [states, 16]*[3, 8]*"),
            (() => Functions.MultiScan(inputs with { Delta = inputs.X }, two), "*Δ*[2, 130, 8]*[2, 130, 4]*"),
            (() => Functions.MultiScan(inputs with { Z = inputs.Delta }, two), "*z*[2, 130, 4]*[2, 130, 8]*"),
            (() => Functions.MultiScan(
                inputs with { B = inputs.B.Slice(0, 3), C = inputs.C.Slice(0, 3) }, two), "*2 orders*1 groups*"),
            (() => Functions.MultiScan(inputs, [Cross[0], ScanOrder.Rows(2, 2)]), "*4 tokens*[2, 130, 4]*"),
            (() => Functions.MultiScan(inputs, two, Segments.FromLengths([130, 130])), "*packed*130 steps*"),
            (() => Functions.SelectiveScan(
                new MultiScanCase(2, 130, 4, 3, 1).Inputs(device), order: ScanOrder.Rows(2, 2)), "*4 tokens*"),
        ];

        foreach ((Action call, string message) in cases)
        {
            call.Should().Throw<ArgumentException>(message).WithMessage(message);
        }
    }
}
