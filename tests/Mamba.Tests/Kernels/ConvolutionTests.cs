using CsCheck;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Tests.Reference;
using static Mamba.Tests.Reference.DifferentiableFunction;

namespace Mamba.Tests.Kernels;

public sealed class ConvolutionTests
{
    // A sum of K + 1 products and a sigmoid in float32; three times the error of the reference implementation's own run.
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

    [Fact]
    public void Packed_sequences_give_the_bits_of_separate_ones()
    {
        int[] lengths = [5, 1, 0, 37, 2];
        const int Channels = 33, Width = 4;
        using CpuDevice cpu = new(2);
        float[] x = Samples.Normal(1, lengths.Sum() * Channels), windows = Samples.Normal(2, lengths.Length * 3 * Channels);
        DeviceArray weight = cpu.Array([Width, Channels], Samples.Normal(3, Width * Channels));

        (DeviceArray y, DeviceArray final) = Functions.CausalConvolution(
            cpu.Array([1, lengths.Sum(), Channels], x),
            weight,
            silu: true,
            initialWindow: cpu.Array([lengths.Length, 3, Channels], windows),
            segments: Segments.FromLengths(lengths));

        List<float> separateY = [], separateFinal = [];
        for (int s = 0; s < lengths.Length; s++)
        {
            float[] own = x[(lengths[..s].Sum() * Channels)..(lengths[..(s + 1)].Sum() * Channels)];
            (DeviceArray oneY, DeviceArray oneFinal) = Functions.CausalConvolution(
                cpu.Array([1, lengths[s], Channels], own),
                weight,
                silu: true,
                initialWindow: cpu.Array([1, 3, Channels], windows.AsSpan(s * 3 * Channels, 3 * Channels)));
            separateY.AddRange(oneY.ToArray());
            separateFinal.AddRange(oneFinal.ToArray());
        }

        y.ToArray().ShouldHaveTheBitsOf([.. separateY]);
        final.ToArray().ShouldHaveTheBitsOf([.. separateFinal]);
    }

    [Fact]
    public void Carrying_the_window_across_a_split_changes_no_bit() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[0, 40], Gen.Int[1, 6], Gen.Int[1, 9999]).Sample((length, cut, width, seed) =>
        {
            const int Channels = 5;
            cut = Math.Min(cut, length);
            using CpuDevice cpu = new(1);
            float[] x = Samples.Normal(seed, length * Channels);
            DeviceArray weight = cpu.Array([width, Channels], Samples.Normal(seed + 1, width * Channels));

            (DeviceArray whole, DeviceArray final) =
                Functions.CausalConvolution(cpu.Array([1, length, Channels], x), weight, silu: true);
            (DeviceArray first, DeviceArray window) =
                Functions.CausalConvolution(cpu.Array([1, cut, Channels], x.AsSpan(0, cut * Channels)), weight, silu: true);
            (DeviceArray second, DeviceArray splitFinal) = Functions.CausalConvolution(
                cpu.Array([1, length - cut, Channels], x.AsSpan(cut * Channels)), weight, silu: true, initialWindow: window);

            float[] parts = [.. first.ToArray(), .. second.ToArray()];
            parts.ShouldHaveTheBitsOf(whole.ToArray());
            splitFinal.ToArray().ShouldHaveTheBitsOf(final.ToArray());
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(35)]
    public void Gradients_flow_through_a_split_as_through_the_whole(int cut)
    {
        const int Length = 70, Channels = 7, Width = 4;
        float[] x = Samples.Normal(1, Length * Channels);
        using CpuDevice cpu = new(1);
        DeviceArray weight = cpu.Array([Width, Channels], Samples.Normal(2, Width * Channels));
        DeviceArray first = cpu.Array([1, cut, Channels], x.AsSpan(0, cut * Channels));
        DeviceArray second = cpu.Array([1, Length - cut, Channels], x.AsSpan(cut * Channels));

        Results whole = new DifferentiableFunction(
            inputs => [Functions.CausalConvolution(inputs[0], inputs[1], silu: true).Y],
            ([1, Length, Channels], x),
            ([Width, Channels], weight.ToArray())).Run(cpu);
        using Tape tape = new(cpu);
        tape.Watch(first);
        tape.Watch(second);
        tape.Watch(weight);
        (DeviceArray firstY, DeviceArray window) = Functions.CausalConvolution(first, weight, silu: true);
        DeviceArray secondY = Functions.CausalConvolution(second, weight, silu: true, initialWindow: window).Y;
        float[] upstream = Samples.Normal(1000, Length * Channels);
        tape.Backward(
            (firstY, cpu.Array(firstY.Shape, upstream.AsSpan(0, cut * Channels))),
            (secondY, cpu.Array(secondY.Shape, upstream.AsSpan(cut * Channels))));

        float[] gx = [.. tape.GradientOf(first).ToArray(), .. tape.GradientOf(second).ToArray()];
        Array.ConvertAll(gx, g => (double)g).ShouldBeClose(whole.Gradients[0], Tolerance, "gx");
        tape.GradientOf(weight).ToArray().ShouldBeClose(whole.Gradients[1], Tolerance, "gw");
    }

    [Fact]
    public void Steps_give_the_bits_of_the_sequence_and_move_the_window_in_place() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[1, 9999]).Sample((steps, tokens, width, seed) =>
        {
            const int Batch = 3, Channels = 19;
            int length = steps * tokens;
            using CpuDevice cpu = new(2);
            DeviceArray x = cpu.Array([Batch, length, Channels], Samples.Normal(seed, Batch * length * Channels));
            DeviceArray weight = cpu.Array([width, Channels], Samples.Normal(seed + 1, width * Channels));
            DeviceArray bias = cpu.Array([Channels], Samples.Normal(seed + 2, Channels));
            DeviceArray window = cpu.Zeros([Batch, width - 1, Channels]);
            (DeviceArray expected, DeviceArray final) = Functions.CausalConvolution(x, weight, bias, silu: true);

            float[] all = x.ToArray(), y = new float[all.Length];
            for (int step = 0; step < steps; step++)
            {
                int count = tokens * Channels;
                float[] now = new float[Batch * count];
                for (int b = 0; b < Batch; b++)
                {
                    Array.Copy(all, ((b * length) + (step * tokens)) * Channels, now, b * count, count);
                }

                DeviceArray stepX = cpu.Array([Batch, tokens, Channels], now);
                float[] stepY = Functions.CausalConvolutionStep(stepX, weight, bias, true, window).ToArray();
                for (int b = 0; b < Batch; b++)
                {
                    Array.Copy(stepY, b * count, y, ((b * length) + (step * tokens)) * Channels, count);
                }
            }

            y.ShouldHaveTheBitsOf(expected.ToArray());
            window.ToArray().ShouldHaveTheBitsOf(final.ToArray());
        }, iter: 30);

    [Fact]
    public void Tokens_before_a_change_keep_their_bits()
    {
        const int Length = 50, Channels = 18;
        using CpuDevice cpu = new(1);
        float[] x = Samples.Normal(1, Length * Channels);
        DeviceArray weight = cpu.Array([4, Channels], Samples.Normal(2, 4 * Channels));
        float[] before = Functions.CausalConvolution(cpu.Array([1, Length, Channels], x), weight, silu: true).Y.ToArray();

        for (int t = 0; t < Length; t++)
        {
            float[] changed = [.. x];
            changed[t * Channels] = 1e30f;
            float[] after =
                Functions.CausalConvolution(cpu.Array([1, Length, Channels], changed), weight, silu: true).Y.ToArray();

            after[..(t * Channels)].ShouldHaveTheBitsOf(before[..(t * Channels)]);
            after[t * Channels].Should().NotBe(before[t * Channels]);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Thread_count_changes_no_bit(int threads)
    {
        DifferentiableFunction function = Causal(3, 700, 70, 4, true, true, true);
        using CpuDevice one = new(1), several = new(threads);

        function.Run(several).ShouldHaveTheBitsOf(function.Run(one));
    }

    [Fact]
    public void A_sequence_alone_gives_its_bits_in_a_batch()
    {
        const int Batch = 3, Length = 45, Channels = 35, Size = Length * Channels;
        float[] x = Samples.Normal(1, Batch * Size), weight = Samples.Normal(2, 4 * Channels);
        using CpuDevice cpu = new(2);

        double[] together = Run(Batch, x).Outputs[0], gradients = Run(Batch, x).Gradients[0];
        for (int b = 0; b < Batch; b++)
        {
            Results alone = Run(1, x[(b * Size)..((b + 1) * Size)]);

            alone.Outputs[0].Should().Equal(together[(b * Size)..((b + 1) * Size)]);
            alone.Gradients[0].Should().Equal(gradients[(b * Size)..((b + 1) * Size)]);
        }

        Results Run(int batch, float[] values) => new DifferentiableFunction(
            inputs => [Functions.CausalConvolution(inputs[0], inputs[1], silu: true).Y],
            ([batch, Length, Channels], values),
            ([4, Channels], weight)).Run(cpu, gradientsOfOne: true);
    }

    [Theory]
    [InlineData(80f)]
    [InlineData(-80f)]
    [InlineData(1e18f)]
    [InlineData(-1e18f)]
    public void Extreme_values_stay_finite(float value)
    {
        using CpuDevice cpu = new(1);
        DifferentiableFunction function = new(
            inputs => [Functions.CausalConvolution(inputs[0], inputs[1], silu: true).Y],
            ([1, 5, 3], [.. Enumerable.Repeat(value, 15)]),
            ([4, 3], [.. Enumerable.Repeat(1f, 12)]));

        Results results = function.Run(cpu);

        results.Outputs.Concat(results.Gradients).SelectMany(values => values).Should().OnlyContain(v => double.IsFinite(v));
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        using CpuDevice cpu = new(2);
        DeviceArray x = cpu.Zeros([1, 1, 512]), weight = cpu.Zeros([4, 512]), window = cpu.Zeros([1, 3, 512]);
        void Step()
        {
            using DeviceScope scope = cpu.Scope();
            Functions.CausalConvolutionStep(x, weight, default, true, window);
        }

        for (int i = 0; i < 10; i++)
        {
            Step();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        Step();

        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);
    }

    [Fact]
    public void A_step_on_a_tape_is_refused()
    {
        using CpuDevice cpu = new(1);
        DeviceArray x = cpu.Zeros([1, 1, 2]), weight = cpu.Zeros([4, 2]), window = cpu.Zeros([1, 3, 2]);
        using Tape tape = new(cpu);
        tape.Watch(weight);

        Action step = () => Functions.CausalConvolutionStep(x, weight, default, true, window);

        step.Should().Throw<InvalidOperationException>().WithMessage("*overwrites*");
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using CpuDevice cpu = new(1);
        DeviceArray x = cpu.Zeros([2, 5, 3]), weight = cpu.Zeros([4, 3]);

        Action wrongWeight = () => Functions.CausalConvolution(x, cpu.Zeros([4, 2]));
        Action wrongBias = () => Functions.SameConvolution(x, weight, cpu.Zeros([4]));
        Action wrongWindow = () => Functions.CausalConvolution(x, weight, initialWindow: cpu.Zeros([2, 4, 3]));
        Action wrongRank = () => Functions.CausalConvolution(cpu.Zeros([5, 3]), weight);
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
