using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>A sequence that is divided: its parts are summarised, and scanned from what the summaries leave.</summary>
public sealed class SpanSummaryTests
{
    private const int Length = 40;

    // Two roundings of states where the whole has one, and sums in another order.
    private const double Tolerance = 4e-6;
    private const double GradientTolerance = 2e-5;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_divided_scan_is_the_whole_with_all_gradients(bool isComplex, bool hasConstantB)
    {
        ScanCase c = new(2, Length, 9, 4) { IsComplex = isComplex, HasConstantB = hasConstantB, Groups = 3 };
        using Device device = TestDevice.Open(2);
        Dictionary<string, double[]> whole = c.Run(device);
        ScanInputs inputs = c.Inputs(device);
        using Tape tape = new(device);
        foreach ((_, DeviceArray input) in ScanCase.Named(inputs))
        {
            tape.Watch(input);
        }

        ScanInputs[] parts = [Part(inputs, 0, 13), Part(inputs, 13, 1), Part(inputs, 14, 26)];
        SpanSummary first = Functions.SummarizeScan(parts[0]), second = Functions.SummarizeScan(parts[1]);
        DeviceArray[] before =
        [
            inputs.InitialState, first.After(inputs.InitialState), first.Then(second).After(inputs.InitialState),
        ];
        DeviceArray[] y = new DeviceArray[3];
        DeviceArray final = default;
        for (int i = 0; i < y.Length; i++)
        {
            (y[i], final) = Functions.SelectiveScan(parts[i] with { InitialState = before[i] });
        }

        DeviceArray all = Functions.Concat(1, y);
        tape.Backward((all, c.Normal(device, 10, all.Shape)), (final, c.Normal(device, 11, final.Shape)));

        ScanCase.Values(all).ShouldBeClose(whole["y"], Tolerance, "y");
        ScanCase.Values(final).ShouldBeClose(whole["final state"], Tolerance, "final state");
        foreach ((string name, DeviceArray input) in ScanCase.Named(inputs))
        {
            ScanCase.Values(tape.GradientOf(input)).ShouldBeClose(
                whole[$"gradient of {name}"], GradientTolerance, name);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_divided_SSD_is_the_whole_with_all_gradients(bool hasLogDecay)
    {
        SsdCase c = new()
        {
            Batch = 2, Length = Length, Heads = 4, Groups = 2, HeadDim = 5, States = 6, HasZ = true,
            HasLogDecay = hasLogDecay, HasDiagonalScale = hasLogDecay,
            DeltaMax = hasLogDecay ? float.PositiveInfinity : 0.7f,
        };
        using Device device = TestDevice.Open(2);
        Dictionary<string, DeviceArray> whole = c.Run(device);
        SsdInputs inputs = c.On(device, c.Values());
        using Tape tape = new(device);
        foreach (DeviceArray input in SsdCase.Named(inputs).Values)
        {
            tape.Watch(input);
        }

        SsdInputs first = Part(inputs, 0, 17), second = Part(inputs, 17, 23);
        DeviceArray between = Functions.SummarizeSsd(first).After(inputs.InitialState);
        DeviceArray y = Functions.Concat(
            1, Functions.Ssd(first).Y, Functions.Ssd(second with { InitialState = between }).Y);
        SpanSummary both = Functions.SummarizeSsd(first).Then(Functions.SummarizeSsd(second));
        DeviceArray final = both.After(inputs.InitialState);
        tape.Backward((y, c.GradientOfY(device, y.Shape)), (final, c.GradientOfState(device, final.Shape)));

        y.ToArray().ShouldBeClose(whole["y"].ToArray(), Tolerance, "y");
        final.ToArray().ShouldBeClose(whole["final state"].ToArray(), Tolerance, "final state");
        foreach ((string name, DeviceArray input) in SsdCase.Named(inputs))
        {
            tape.GradientOf(input).ToArray().ShouldBeClose(whole[name].ToArray(), GradientTolerance, name);
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Decays_and_their_gradients_are_those_of_an_SSD_of_no_input(bool isLogDecay, bool hasSegments)
    {
        // No decay at all, decays that grow (which count as 1), decays below what float32 holds, and A of -∞.
        float[] delta = [0, 0.5f, 0.25f, 0.125f, -0.5f, 0.5f, 0.5f, 200, 0.5f, 0.25f, 1, 0.5f];
        float[] a = [-1, -2, float.NegativeInfinity];
        using Device device = TestDevice.Open(2);
        DeviceArray weight = device.Array([1, 4, 3], delta), rate = device.Array([3], a);
        DeviceArray zeros = device.Zeros([1, 4, 3]), zero = device.Zeros([1, 4, 1]);
        DeviceArray log = device.Array([1, 4, 3], Array.ConvertAll(delta, value => -value));
        SsdInputs inputs = isLogDecay
            ? new() { X = zeros, LogDecay = log, InputScale = zeros, B = zero, C = zero }
            : new() { X = zeros, Delta = weight, A = rate, B = zero, C = zero, DeltaMax = 100 };
        Segments? segments = hasSegments ? Segments.FromLengths([3, 0, 1]) : null;
        int sequences = segments?.Count ?? 1;
        DeviceArray ones = device.Array([sequences, 3, 1, 1], [.. Enumerable.Repeat(1f, 3 * sequences)]);

        float[][] actual = Run(() => Functions.SummarizeSsd(inputs, segments).Decay);
        float[][] expected = Run(() => Functions.Ssd(inputs with { InitialState = ones }, segments).FinalState);

        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].ShouldBeClose(expected[i], Tolerance, $"array {i}");
        }

        float[][] Run(Func<DeviceArray> decays)
        {
            using Tape tape = new(device);
            DeviceArray[] watched = isLogDecay ? [log] : [weight, rate];
            foreach (DeviceArray array in watched)
            {
                tape.Watch(array);
            }

            DeviceArray y = decays();
            tape.Backward((y, device.Array(y.Shape, Samples.Normal(1, (int)y.Shape.Count))));
            return [y.ToArray(), .. watched.Select(array => tape.GradientOf(array).ToArray())];
        }
    }

    [Fact]
    public void Packed_sequences_are_summarised_each_by_itself()
    {
        ScanCase scan = new(1, 10, 5, 3) { SegmentLengths = [4, 0, 6] };
        SsdCase ssd = new() { Length = 10, Segments = [4, 0, 6] };
        using Device device = TestDevice.Open();
        ScanInputs inputs = scan.Inputs(device);

        SpanSummary ofScan = Functions.SummarizeScan(inputs, scan.Segments);
        SpanSummary ofSsd = Functions.SummarizeSsd(ssd.On(device, ssd.Values()), ssd.SegmentsOrNull());

        ofScan.Decay.Shape.ToArray().Should().Equal(3, 3, 5);
        ofSsd.Decay.Shape.ToArray().Should().Equal(3, 2, 1, 1);
        ofScan.Decay.ToArray()[15..30].Should().OnlyContain(decay => decay == 1f, "a span without tokens keeps all");
        ofSsd.Decay.ToArray()[2..4].Should().OnlyContain(decay => decay == 1f);
        ofScan.After(inputs.InitialState).ToArray().ShouldBeClose(
            Functions.SelectiveScan(inputs, scan.Segments).FinalState.ToArray(), Tolerance);
        FluentActions.Invoking(() => ofScan.After(device.Zeros([3, 5]))).Should().Throw<ArgumentException>()
            .WithMessage("*before*[3, 3, 5]*[3, 5]*");
    }

    private static ScanInputs Part(ScanInputs inputs, int start, int length) => inputs with
    {
        X = Tokens(inputs.X, start, length),
        Delta = Tokens(inputs.Delta, start, length),
        B = inputs.HasConstantB ? inputs.B : Tokens(inputs.B, start, length),
        C = Tokens(inputs.C, start, length),
        Z = Tokens(inputs.Z, start, length),
    };

    private static SsdInputs Part(SsdInputs inputs, int start, int length) => inputs with
    {
        X = Tokens(inputs.X, start, length),
        Delta = Tokens(inputs.Delta, start, length),
        LogDecay = Tokens(inputs.LogDecay, start, length),
        InputScale = Tokens(inputs.InputScale, start, length),
        DiagonalScale = Tokens(inputs.DiagonalScale, start, length),
        B = Tokens(inputs.B, start, length),
        C = Tokens(inputs.C, start, length),
        Z = Tokens(inputs.Z, start, length),
        InitialState = start == 0 ? inputs.InitialState : default,
    };

    private static DeviceArray Tokens(DeviceArray array, int start, int length) =>
        array.Exists ? Functions.Slice(array, 1, start, length) : default;
}
