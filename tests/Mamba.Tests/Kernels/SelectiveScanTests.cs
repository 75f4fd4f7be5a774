using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class SelectiveScanTests
{
    // The reference implementation in float32 is off by 4e-7; decays of complex numbers have more roundings.
    private const double Tolerance = 2e-6;

    // Sums over channels and tokens: the reference implementation in float32 is off by 5e-7.
    private const double GradientTolerance = 5e-6;

    public static TheoryData<int, int, int, int, int> Shapes => new()
    {
        // batch, length, channels, states, groups
        { 1, 1, 1, 1, 1 },
        { 2, 0, 5, 3, 1 },
        { 0, 3, 5, 3, 1 },
        { 1, 1, 16, 16, 1 },
        { 2, 63, 33, 4, 1 },
        { 1, 64, 64, 16, 1 },
        { 1, 65, 65, 5, 1 },
        { 2, 128, 7, 16, 1 },
        { 3, 129, 31, 2, 1 },
        { 1, 70, 130, 7, 1 },
        { 1, 40, 21, 6, 3 },
        { 2, 35, 46, 16, 2 },
        { 1, 34, 140, 3, 2 },
        { 1, 5, 4, 0, 1 },
        { 1, 70, 8, 37, 4 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Outputs_and_gradients_match_the_reference(int batch, int length, int channels, int states, int groups)
    {
        ScanCase scan = new(batch, length, channels, states) { Groups = groups };

        ShouldMatchTheReference(scan);
        ShouldMatchTheReference(scan with { HasOptions = false });
        ShouldMatchTheReference(scan with { IsSliced = true });
        ShouldMatchTheReference(scan with { IsComplex = true });
        ShouldMatchTheReference(scan with { IsALog = true });
        ShouldMatchTheReference(scan with { IsALog = true, IsComplex = true, HasOptions = false });
    }

    [Theory]
    [InlineData(1, 1, 40, 16)]
    [InlineData(3, 1, 40, 16)]
    [InlineData(1, 70, 40, 5)]
    [InlineData(2, 70, 37, 300)]
    public void A_as_its_logarithm_has_the_bits_of_A(int batch, int length, int channels, int states)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using DeviceScope scope = device.Scope();
        ScanInputs log = new ScanCase(batch, length, channels, states) { IsALog = true }.Inputs(device);
        ScanInputs plain = log with { A = Functions.Map<Elementwise.NegatedExp>(log.ALog) };
        plain.ALog.Exists.Should().BeFalse();

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(log);

        (DeviceArray expected, DeviceArray expectedState) = Functions.SelectiveScan(plain);
        y.ToArray().ShouldHaveTheBitsOf(expected.ToArray());
        state.ToArray().ShouldHaveTheBitsOf(expectedState.ToArray());
        float[] gradient = GradientOf(given => log with { ALog = given });
        gradient.ShouldHaveTheBitsOf(GradientOf(
            given => log with { A = Functions.Map<Elementwise.NegatedExp>(given) }));

        float[] GradientOf(Func<DeviceArray, ScanInputs> inputs)
        {
            using Tape tape = new(device);
            DeviceArray given = device.Array(log.ALog.Shape, log.ALog.ToArray());
            tape.Watch(given);
            tape.Backward(Functions.Sum(Functions.SelectiveScan(inputs(given)).Y));
            return tape.GradientOf(given).ToArray();
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Constant_B_and_C_match_the_reference(bool constantB, bool constantC)
    {
        ScanCase scan = new(2, 45, 39, 6) { HasConstantB = constantB, HasConstantC = constantC };

        ShouldMatchTheReference(scan);
        ShouldMatchTheReference(scan with { Groups = constantB && constantC ? 1 : 3 });
        ShouldMatchTheReference(scan with { IsComplex = true, IsSliced = true });
    }

    [Fact]
    public void Packed_sequences_match_the_reference() =>
        ShouldMatchTheReference(new(2, 140, 20, 5) { SegmentLengths = [1, 0, 65, 74, 0, 128, 12, 0] });

    [Fact]
    public void A_long_sequence_matches_the_reference() => ShouldMatchTheReference(new(1, 3000, 17, 4), 2e-5);

    [Fact]
    public void A_slowly_decaying_state_keeps_its_digits()
    {
        // Δ·A of -1e-4: an error of exp near 0 adds up over ten thousand tokens.
        using Device tested = TestDevice.Open();
        const int Length = 20_000;
        float[] ones = [.. Enumerable.Repeat(1f, Length)], small = [.. Enumerable.Repeat(1e-4f, Length)];
        ScanInputs inputs = new()
        {
            X = tested.Array([1, Length, 1], ones),
            Delta = tested.Array([1, Length, 1], small),
            A = tested.Array([1, 1], [-1f]),
            B = tested.Array([1, Length, 1], ones),
            C = tested.Array([1, Length, 1], ones),
        };

        float[] y = Functions.SelectiveScan(inputs).Y.ToArray();

        // h = Δ·(1 - e^(-Δt)) / (1 - e^-Δ); half a unit in the last place of e^-Δ alone moves it by 3e-8 / 1e-4.
        double expected = 1e-4 * (1 - Math.Exp(-1e-4 * Length)) / (1 - Math.Exp(-1e-4));
        ((double)y[^1]).Should().BeApproximately(expected, 3e-4 * expected);
    }

    [Theory]
    [InlineData(1e4f, -1e4f)]
    [InlineData(1e30f, -1e30f)]
    [InlineData(0f, -1f)]
    [InlineData(80f, -80f)]
    [InlineData(1e-30f, -1e-30f)]
    public void Extreme_decays_stay_finite(float delta, float a)
    {
        using Device tested = TestDevice.Open();
        const int Channels = 31;
        using Tape tape = new(tested);
        ScanInputs inputs = new()
        {
            X = Filled(tested, [1, 3, Channels], 1e-6f),
            Delta = Filled(tested, [1, 3, Channels], delta),
            A = Filled(tested, [5, Channels], a),
            B = Filled(tested, [1, 3, 5], 1e-6f),
            C = Filled(tested, [1, 3, 5], 1f),
            Z = Filled(tested, [1, 3, Channels], -100f),
        };
        tape.Watch(inputs.Delta);

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs);
        tape.Backward((y, Filled(tested, [1, 3, Channels], 1f)));

        y.ToArray().Concat(state.ToArray()).Concat(tape.GradientOf(inputs.Delta).ToArray())
            .Should().OnlyContain(value => float.IsFinite(value));
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        ScanCase scan = new(2, 70, 270, 5) { Groups = 2 };
        using CpuDevice one = TestDevice.Cpu(1), two = TestDevice.Cpu(2), five = TestDevice.Cpu(5);

        Dictionary<string, double[]> expected = scan.Run(one);

        ShouldBeEqual(scan.Run(two), expected);
        ShouldBeEqual(scan.Run(five), expected);
    }

    [Fact]
    public void The_gradients_that_are_not_wanted_are_left_out()
    {
        ScanCase scan = new(1, 40, 20, 5);
        using Device tested = TestDevice.Open();
        double[] expected = scan.Run(tested)["gradient of A"];
        using Tape tape = new(tested);
        ScanInputs inputs = scan.Inputs(tested);
        tape.Watch(inputs.A);

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs);
        tape.Backward((y, scan.Normal(tested, 10, y.Shape)), (state, scan.Normal(tested, 11, state.Shape)));

        ScanCase.Values(tape.GradientOf(inputs.A)).Should().Equal(expected);
        inputs.X.RequiresGradient.Should().BeFalse();
        inputs.B.Storage.Gradient.Should().BeNull();
    }

    [Fact]
    public void A_gradient_of_the_final_state_alone_flows_back()
    {
        ScanCase scan = new(2, 40, 20, 5);
        using Device tested = TestDevice.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        float[] actual = GradientOfFinalStateAlone(tested).ToArray();

        actual.ShouldBeClose(ReferenceDevice.Exact(GradientOfFinalStateAlone(reference)), GradientTolerance);

        DeviceArray GradientOfFinalStateAlone(Device device)
        {
            using Tape tape = new(device);
            ScanInputs inputs = scan.Inputs(device);
            tape.Watch(inputs.X);
            DeviceArray state = Functions.SelectiveScan(inputs).FinalState;
            tape.Backward((state, scan.Normal(device, 11, state.Shape)));
            return tape.GradientOf(inputs.X);
        }
    }

    [Fact]
    public void Without_a_tape_nothing_is_allocated_on_the_managed_heap()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        ScanCase scan = new(2, 40, 20, 5);
        using Device tested = TestDevice.Open();
        ScanInputs inputs = scan.Inputs(tested);
        Scan();

        long allocated = Allocations.Of(Scan);

        allocated.Should().Be(0);

        void Scan()
        {
            using DeviceScope scope = tested.Scope();
            Functions.SelectiveScan(inputs);
        }
    }

    private static DeviceArray Filled(Device tested, Shape shape, float value)
    {
        DeviceArray array = tested.Allocate(shape);
        array.CopyFrom([.. Enumerable.Repeat(value, (int)shape.Count)]);
        return array;
    }

    private static void ShouldMatchTheReference(ScanCase scan, double gradientTolerance = GradientTolerance)
    {
        using Device tested = TestDevice.Open();
        using ReferenceDevice reference = TestDevice.Reference();
        Dictionary<string, double[]> actual = scan.Run(tested), expected = scan.Run(reference);
        foreach ((string name, double[] values) in expected)
        {
            bool isGradient = name.StartsWith("gradient", StringComparison.Ordinal);
            actual[name].ShouldBeClose(values, isGradient ? gradientTolerance : Tolerance, $"{name} of {scan}");
        }
    }

    private static void ShouldBeEqual(Dictionary<string, double[]> actual, Dictionary<string, double[]> expected)
    {
        foreach ((string name, double[] values) in expected)
        {
            actual[name].Should().Equal(values, "{0} has the same bits", name);
        }
    }
}
