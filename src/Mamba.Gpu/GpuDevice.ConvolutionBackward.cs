using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Tokens over which one thread adds up the gradient of a weight.</summary>
    private const int WeightTokens = 128;

    internal override void CausalConvolutionBackward(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray initialWindow,
        Sequences sequences,
        DeviceArray gy,
        DeviceArray gfinalWindow,
        DeviceArray gx,
        DeviceArray gweight,
        DeviceArray gbias,
        DeviceArray ginitialWindow)
    {
        RequireConvolution(x, weight, bias, gy, sequences);
        RequireGradientOf(x, gx);
        RequireWindow(initialWindow, weight, sequences);
        RequireWindow(gfinalWindow, weight, sequences);
        RequireWindow(ginitialWindow, weight, sequences);
        using DeviceScope scope = Scope();
        int left = weight.Shape[0] - 1;
        GpuSequences own = SequencesOf(sequences, x.Shape, sequences.Segments);
        DeviceArray g = GradientOfSums(x, weight, bias, silu, left, initialWindow, sequences, own, gy);
        AddToInputs(g, weight, left, sequences, own, gfinalWindow, gx);
        AddToWeights(x, weight, left, initialWindow, sequences, own, g, gweight, gbias);
        if (ginitialWindow.Exists)
        {
            ConvolutionArrays arrays = ArraysOf(g, weight, default, left, default, own, QuadOfTokens.Length);
            (Plane plane, long groups, (int, int) threads) = PlaneOf(ginitialWindow.Shape, flat: false);
            Launch(
                new ConvolutionWindowKernel(plane, arrays, RowsOf(gfinalWindow), RowsOf(ginitialWindow)),
                groups,
                threads);
        }
    }

    internal override void SameConvolutionBackward(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        Sequences sequences,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        RequireConvolution(x, weight, bias, gy, sequences);
        RequireGradientOf(x, gx);
        using DeviceScope scope = Scope();
        int left = (weight.Shape[0] - 1) / 2;
        GpuSequences own = SequencesOf(sequences, x.Shape, sequences.Segments);
        DeviceArray g = GradientOfSums(x, weight, bias, silu, left, default, sequences, own, gy);
        AddToInputs(g, weight, left, sequences, own, default, gx);
        AddToWeights(x, weight, left, default, sequences, own, g, gweight, gbias);
    }

    /// <summary>The gradient of what f is applied to: gy itself where f is the identity.</summary>
    private DeviceArray GradientOfSums(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        int left,
        DeviceArray window,
        in Sequences sequences,
        GpuSequences own,
        DeviceArray gy)
    {
        if (!silu)
        {
            return gy;
        }

        DeviceArray g = Allocate(gy.Shape);
        ConvolutionArrays arrays = ArraysOf(x, weight, bias, left, window, own, QuadOfTokens.Length);
        (Plane plane, long groups, (int, int) threads) = BlocksOf(sequences, x.Shape.Width, QuadOfTokens.Length);
        Launch(new ConvolutionSlopeKernel(plane, arrays, RowsOf(gy), RowsOf(g)), groups, threads);
        return g;
    }

    private void AddToInputs(
        DeviceArray g,
        DeviceArray weight,
        int left,
        in Sequences sequences,
        GpuSequences own,
        DeviceArray gfinalWindow,
        DeviceArray gx)
    {
        if (gx.Exists)
        {
            int right = weight.Shape[0] - 1 - left;
            ConvolutionArrays reversed = ArraysOf(
                g, weight, default, right, default, own, QuadOfTokens.Length, isReversed: true);
            (Plane plane, long groups, (int, int) threads) = BlocksOf(sequences, g.Shape.Width, QuadOfTokens.Length);
            Launch(
                new ConvolutionInputKernel(plane, reversed, RowsOf(gfinalWindow), RowsOf(gx)), groups, threads);
        }
    }

    private void AddToWeights(
        DeviceArray x,
        DeviceArray weight,
        int left,
        DeviceArray window,
        in Sequences sequences,
        GpuSequences own,
        DeviceArray g,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        if (!gweight.Exists && !gbias.Exists)
        {
            return;
        }

        // Sums over the tokens of a block, to be added up.
        int blocks = checked((int)SequenceBlocks.CountOf(sequences, WeightTokens));
        (int taps, int channels) = (weight.Shape[0], x.Shape.Width);
        int steps = gweight.Exists ? (taps + 3) / 4 : 1;
        DeviceArray weights = gweight.Exists ? Allocate([blocks, taps * channels]) : default;
        DeviceArray biases = gbias.Exists ? Allocate([blocks, channels]) : default;
        ConvolutionArrays arrays = ArraysOf(x, weight, default, left, window, own, WeightTokens);
        (Plane plane, long groups, (int, int) threads) = PlaneOf([checked(blocks * steps), channels], flat: false);
        Launch(
            new ConvolutionWeightKernel(
                plane,
                arrays,
                steps,
                RowsOf(g),
                RowsOf(gweight.Exists ? weights.Reshape([blocks, taps, channels]) : default),
                RowsOf(biases)),
            groups,
            threads);
        if (gweight.Exists)
        {
            AddColumnSums(weights, gweight.Reshape([taps * channels]));
        }

        if (gbias.Exists)
        {
            AddColumnSums(biases, gbias);
        }
    }
}
