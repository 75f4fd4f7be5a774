using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;
using static Mamba.Tests.Reference.DifferentiableFunction;

namespace Mamba.Tests.Kernels;

public sealed class ConvolutionTests
{
    // A sum of K + 1 products and a sigmoid in float32; five times the error of the reference implementation's own run.
    private const double Tolerance = 1e-6;

    /// <summary>Batch, length, channels, width, SiLU, bias, initial window.</summary>
    public static TheoryData<int, int, int, int, bool, bool, bool> Cases => new()
    {
        { 1, 1, 1, 1, false, false, false },
        { 2, 0, 3, 4, true, true, true },
        { 0, 5, 3, 4, true, true, true },
        { 1, 1, 16, 4, true, true, false },
        { 2, 2, 37, 4, true, true, true },
        { 2, 3, 7, 4, false, true, true },
        { 1, 4, 64, 4, true, false, true },
        { 3, 31, 5, 2, true, true, true },
        { 1, 33, 19, 3, false, false, false },
        { 2, 70, 48, 4, true, true, true },
        { 1, 9, 21, 5, true, true, true },
        { 2, 40, 18, 7, true, true, true },
        { 1, 5, 4, 9, true, true, true },
        { 1, 100, 150, 4, true, true, false },
        { 1, 2100, 17, 4, true, true, true },
        { 1, 8, 3, 300, true, true, true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Causal_matches_the_reference(int b, int l, int c, int k, bool silu, bool bias, bool window) =>
        Causal(b, l, c, k, silu, bias, window).ShouldMatchTheReference(Tolerance, Tolerance, "causal");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Same_matches_the_reference(int b, int l, int c, int k, bool silu, bool bias, bool window) =>
        Same(b, window ? l : l + 1, c, k, silu, bias).ShouldMatchTheReference(Tolerance, Tolerance, "same");

    [Theory]
    [InlineData(1, true)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public void Reference_gradients_are_those_of_the_reference(int width, bool silu)
    {
        int[] lengths = [2, 0, 1, 4];

        Causal(2, 3, 2, width, silu, true, true).ReferenceShouldMatchDifferences("causal");
        Causal(1, 7, 2, width, silu, true, true, lengths).ReferenceShouldMatchDifferences("packed");
        Same(2, 5, 2, width, silu, true).ReferenceShouldMatchDifferences("same");
        Same(1, 7, 2, width, silu, true, lengths).ReferenceShouldMatchDifferences("packed same");
    }

    [Theory]
    [InlineData(1, new[] { 3, 0, 40, 1, 2, 54 })]
    [InlineData(2, new[] { 20, 30, 49, 0, 1 })]
    [InlineData(1, new[] { 0, 100, 0 })]
    public void Packed_sequences_match_the_reference(int batch, int[] lengths)
    {
        int length = lengths.Sum() / batch;

        Causal(batch, length, 21, 4, true, true, true, lengths).ShouldMatchTheReference(Tolerance, Tolerance, "causal");
        Same(batch, length, 21, 5, true, true, lengths).ShouldMatchTheReference(Tolerance, Tolerance, "same");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Thread_count_changes_no_bit(int threads)
    {
        DifferentiableFunction function = Causal(3, 700, 70, 4, true, true, true);
        using CpuDevice one = TestDevice.Cpu(1), several = TestDevice.Cpu(threads);

        function.Run(several).ShouldHaveTheBitsOf(function.Run(one));
    }

    [Theory]
    [InlineData(80f)]
    [InlineData(-80f)]
    [InlineData(1e18f)]
    [InlineData(-1e18f)]
    public void Extreme_values_stay_finite(float value)
    {
        using Device device = TestDevice.Open();
        DifferentiableFunction function = new(
            inputs => [Functions.CausalConvolution(inputs[0], inputs[1], silu: true).Y],
            ([1, 5, 3], [.. Enumerable.Repeat(value, 15)]),
            ([4, 3], [.. Enumerable.Repeat(1f, 12)]));

        Results results = function.Run(device);

        results.Outputs.Concat(results.Gradients).SelectMany(values => values)
            .Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([1, 1, 512]), weight = device.Zeros([4, 512]), window = device.Zeros([1, 3, 512]);
        void Step()
        {
            using DeviceScope scope = device.Scope();
            Functions.CausalConvolutionStep(x, weight, default, true, window);
        }

        for (int i = 0; i < 10; i++)
        {
            Step();
        }

        long allocated = Allocations.Of(Step);

        allocated.Should().Be(0);
    }

    [Fact]
    public void A_step_on_a_tape_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([1, 1, 2]), weight = device.Zeros([4, 2]), window = device.Zeros([1, 3, 2]);
        using Tape tape = new(device);
        tape.Watch(weight);

        Action step = () => Functions.CausalConvolutionStep(x, weight, default, true, window);

        step.Should().Throw<InvalidOperationException>().WithMessage("*overwrites*");
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 5, 3]), weight = device.Zeros([4, 3]);

        Action wrongWeight = () => Functions.CausalConvolution(x, device.Zeros([4, 2]));
        Action wrongBias = () => Functions.SameConvolution(x, weight, device.Zeros([4]));
        Action wrongWindow = () => Functions.CausalConvolution(x, weight, initialWindow: device.Zeros([2, 4, 3]));
        Action wrongRank = () => Functions.CausalConvolution(device.Zeros([5, 3]), weight);
        Action wrongTokens = () => Functions.SameConvolution(x, weight, segments: Segments.FromLengths([9]));

        wrongWeight.Should().Throw<ArgumentException>().WithMessage("*[width, 3]*[4, 2]*");
        wrongBias.Should().Throw<ArgumentException>().WithMessage("*[3]*[4]*");
        wrongWindow.Should().Throw<ArgumentException>().WithMessage("*[2, 3, 3]*[2, 4, 3]*");
        wrongRank.Should().Throw<ArgumentException>().WithMessage("*[batch, length, channels]*[5, 3]*");
        wrongTokens.Should().Throw<ArgumentException>().WithMessage("*9*10*");
    }

    private static DifferentiableFunction Causal(
        int batch, int length, int channels, int width, bool silu, bool bias, bool window, int[]? lengths = null)
    {
        Segments? segments = lengths is null ? null : Segments.FromLengths(lengths);
        return new(
            inputs =>
            {
                (DeviceArray y, DeviceArray final) =
                    Functions.CausalConvolution(inputs[0], inputs[1], inputs[2], silu, inputs[3], segments);
                return [y, final];
            },
            Input(1, [batch, length, channels]),
            Input(2, [width, channels], 1 / Math.Sqrt(width)),
            bias ? Input(3, [channels]) : null,
            window ? Input(4, [segments?.Count ?? batch, width - 1, channels]) : null);
    }

    private static DifferentiableFunction Same(
        int batch, int length, int channels, int width, bool silu, bool bias, int[]? lengths = null)
    {
        Segments? segments = lengths is null ? null : Segments.FromLengths(lengths);
        return new(
            inputs => [Functions.SameConvolution(inputs[0], inputs[1], inputs[2], silu, segments)],
            Input(1, [batch, length, channels]),
            Input(2, [width, channels], 1 / Math.Sqrt(width)),
            bias ? Input(3, [channels]) : null);
    }
}
