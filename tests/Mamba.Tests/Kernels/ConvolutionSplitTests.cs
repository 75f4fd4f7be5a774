using CsCheck;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;
using static Mamba.Tests.Reference.DifferentiableFunction;

namespace Mamba.Tests.Kernels;

/// <summary>What a sequence gives does not depend on how it is cut, packed or batched.</summary>
public sealed class ConvolutionSplitTests
{
    // Both sides are float32 sums of the same terms, added in another order.
    private const double Tolerance = 1e-6;

    [Fact]
    public void Packed_sequences_give_the_bits_of_separate_ones()
    {
        int[] lengths = [5, 1, 0, 37, 2];
        const int Channels = 33, Width = 4;
        using Device device = TestDevice.Open(2);
        float[] x = Samples.Normal(1, lengths.Sum() * Channels);
        float[] windows = Samples.Normal(2, lengths.Length * 3 * Channels);
        DeviceArray weight = device.Array([Width, Channels], Samples.Normal(3, Width * Channels));

        (DeviceArray y, DeviceArray final) = Functions.CausalConvolution(
            device.Array([1, lengths.Sum(), Channels], x),
            weight,
            silu: true,
            initialWindow: device.Array([lengths.Length, 3, Channels], windows),
            segments: Segments.FromLengths(lengths));

        List<float> separateY = [], separateFinal = [];
        for (int s = 0; s < lengths.Length; s++)
        {
            float[] own = x[(lengths[..s].Sum() * Channels)..(lengths[..(s + 1)].Sum() * Channels)];
            (DeviceArray oneY, DeviceArray oneFinal) = Functions.CausalConvolution(
                device.Array([1, lengths[s], Channels], own),
                weight,
                silu: true,
                initialWindow: device.Array([1, 3, Channels], windows.AsSpan(s * 3 * Channels, 3 * Channels)));
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
            using Device device = TestDevice.Open();
            float[] x = Samples.Normal(seed, length * Channels);
            DeviceArray weight = device.Array([width, Channels], Samples.Normal(seed + 1, width * Channels));
            DeviceArray before = device.Array([1, cut, Channels], x.AsSpan(0, cut * Channels));
            DeviceArray after = device.Array([1, length - cut, Channels], x.AsSpan(cut * Channels));

            (DeviceArray whole, DeviceArray final) =
                Functions.CausalConvolution(device.Array([1, length, Channels], x), weight, silu: true);
            (DeviceArray first, DeviceArray window) = Functions.CausalConvolution(before, weight, silu: true);
            (DeviceArray second, DeviceArray splitFinal) =
                Functions.CausalConvolution(after, weight, silu: true, initialWindow: window);

            float[] parts = [.. first.ToArray(), .. second.ToArray()];
            parts.ShouldHaveTheBitsOf(whole.ToArray());
            splitFinal.ToArray().ShouldHaveTheBitsOf(final.ToArray());
        }, seed: "0000000000001");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(35)]
    public void Gradients_flow_through_a_split_as_through_the_whole(int cut)
    {
        const int Length = 70, Channels = 7, Width = 4;
        float[] x = Samples.Normal(1, Length * Channels);
        using Device device = TestDevice.Open();
        DeviceArray weight = device.Array([Width, Channels], Samples.Normal(2, Width * Channels));
        DeviceArray first = device.Array([1, cut, Channels], x.AsSpan(0, cut * Channels));
        DeviceArray second = device.Array([1, Length - cut, Channels], x.AsSpan(cut * Channels));

        Results whole = new DifferentiableFunction(
            inputs => [Functions.CausalConvolution(inputs[0], inputs[1], silu: true).Y],
            ([1, Length, Channels], x),
            ([Width, Channels], weight.ToArray())).Run(device);
        using Tape tape = new(device);
        tape.Watch(first);
        tape.Watch(second);
        tape.Watch(weight);
        (DeviceArray firstY, DeviceArray window) = Functions.CausalConvolution(first, weight, silu: true);
        DeviceArray secondY = Functions.CausalConvolution(second, weight, silu: true, initialWindow: window).Y;
        float[] upstream = Samples.Normal(1000, Length * Channels);
        tape.Backward(
            (firstY, device.Array(firstY.Shape, upstream.AsSpan(0, cut * Channels))),
            (secondY, device.Array(secondY.Shape, upstream.AsSpan(cut * Channels))));

        float[] gx = [.. tape.GradientOf(first).ToArray(), .. tape.GradientOf(second).ToArray()];
        Array.ConvertAll(gx, g => (double)g).ShouldBeClose(whole.Gradients[0], Tolerance, "gx");
        tape.GradientOf(weight).ToArray().ShouldBeClose(whole.Gradients[1], Tolerance, "gw");
    }

    [Fact]
    public void Steps_give_the_bits_of_the_sequence_and_move_the_window_in_place() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[1, 99]).Sample((steps, tokens, width, seed) =>
        {
            const int Batch = 3, Channels = 19;
            int length = steps * tokens;
            using Device device = TestDevice.Open(2);
            DeviceArray x = device.Array([Batch, length, Channels], Samples.Normal(seed, Batch * length * Channels));
            DeviceArray weight = device.Array([width, Channels], Samples.Normal(seed + 1, width * Channels));
            DeviceArray bias = device.Array([Channels], Samples.Normal(seed + 2, Channels));
            DeviceArray window = device.Zeros([Batch, width - 1, Channels]);
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

                DeviceArray stepX = device.Array([Batch, tokens, Channels], now);
                float[] stepY = Functions.CausalConvolutionStep(stepX, weight, bias, true, window).ToArray();
                for (int b = 0; b < Batch; b++)
                {
                    Array.Copy(stepY, b * count, y, ((b * length) + (step * tokens)) * Channels, count);
                }
            }

            y.ShouldHaveTheBitsOf(expected.ToArray());
            window.ToArray().ShouldHaveTheBitsOf(final.ToArray());
        }, seed: "0000000000001", iter: 30);

    [Fact]
    public void Tokens_before_a_change_keep_their_bits()
    {
        const int Length = 50, Channels = 18;
        using Device device = TestDevice.Open();
        float[] x = Samples.Normal(1, Length * Channels);
        DeviceArray weight = device.Array([4, Channels], Samples.Normal(2, 4 * Channels));
        float[] before = Convolve(x);

        for (int t = 0; t < Length; t++)
        {
            float[] changed = [.. x];
            changed[t * Channels] = 1e30f;
            float[] after = Convolve(changed);

            after[..(t * Channels)].ShouldHaveTheBitsOf(before[..(t * Channels)]);
            after[t * Channels].Should().NotBe(before[t * Channels]);
        }

        float[] Convolve(float[] input) =>
            Functions.CausalConvolution(device.Array([1, Length, Channels], input), weight, silu: true).Y.ToArray();
    }

    [Fact]
    public void A_sequence_alone_gives_its_bits_in_a_batch()
    {
        const int Batch = 3, Length = 45, Channels = 35, Size = Length * Channels;
        float[] x = Samples.Normal(1, Batch * Size), weight = Samples.Normal(2, 4 * Channels);
        using Device device = TestDevice.Open(2);

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
            ([4, Channels], weight)).Run(device, gradientsOfOne: true);
    }

    [Fact]
    public void A_gradient_of_the_last_window_alone_reaches_the_inputs_that_it_holds()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1, 5, 1], [1, 2, 3, 4, 5]), weight = device.Array([3, 1], [0.5f, 0.25f, 1]);
        using Tape tape = new(device);
        tape.Watch(x);
        tape.Watch(weight);

        DeviceArray window = Functions.CausalConvolution(x, weight, silu: true).FinalWindow;
        tape.Backward((window, device.Array([1, 2, 1], [10, 20])));

        tape.GradientOf(x).ToArray().Should().Equal(0, 0, 0, 10, 20);
        tape.GradientOf(weight).ToArray().Should().OnlyContain(value => value == 0);
    }
}
