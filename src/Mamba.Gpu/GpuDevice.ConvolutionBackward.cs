using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    /// <summary>Tokens over which one thread sums the gradient of a weight.</summary>
    private const int WeightTokens = 128;

    internal override void ConvolutionBackward(
        in ConvolutionOperation convolution, in ConvolutionOperation gradients)
    {
        using DeviceScope scope = Scope();
        GpuSequences own = SequencesOf(convolution.Sequences);
        DeviceArray g = GradientOfSums(convolution, own, gradients.Y);
        ConvolutionOperation ofSums = convolution with { X = g, Bias = default, InitialWindow = default };
        if (gradients.X.Exists)
        {
            ConvolutionArrays reversed = ArraysOf(ofSums, own, QuadOfTokens.Length, isReversed: true);
            (Plane plane, long groups, (int, int) threads) =
                BlocksOf(convolution.Sequences, convolution.Channels, QuadOfTokens.Length);
            Launch(
                new ConvolutionInputKernel(plane, reversed, RowsOf(gradients.FinalWindow), RowsOf(gradients.X)),
                groups,
                threads);
        }

        if (gradients.Weight.Exists || gradients.Bias.Exists)
        {
            AddToWeights(convolution, own, g, gradients);
        }

        if (gradients.InitialWindow.Exists)
        {
            ConvolutionArrays arrays = ArraysOf(ofSums, own, QuadOfTokens.Length);
            (Plane plane, long groups, (int, int) threads) = PlaneOf(gradients.InitialWindow.Shape, flat: false);
            Launch(
                new ConvolutionWindowKernel(
                    plane, arrays, RowsOf(gradients.FinalWindow), RowsOf(gradients.InitialWindow)),
                groups,
                threads);
        }
    }

    /// <summary>The gradient of the input of f, the activation; gy itself if f is the identity.</summary>
    private DeviceArray GradientOfSums(in ConvolutionOperation convolution, GpuSequences own, DeviceArray gy)
    {
        if (!convolution.Silu)
        {
            return gy;
        }

        DeviceArray g = Allocate(gy.Shape);
        ConvolutionArrays arrays = ArraysOf(convolution, own, QuadOfTokens.Length);
        (Plane plane, long groups, (int, int) threads) =
            BlocksOf(convolution.Sequences, convolution.Channels, QuadOfTokens.Length);
        Launch(new ConvolutionSlopeKernel(plane, arrays, RowsOf(gy), RowsOf(g)), groups, threads);
        return g;
    }

    private void AddToWeights(
        in ConvolutionOperation convolution, GpuSequences own, DeviceArray g, in ConvolutionOperation gradients)
    {
        // One row of partial sums per block of tokens.
        (DeviceArray gweight, DeviceArray gbias) = (gradients.Weight, gradients.Bias);
        int blocks = checked((int)SequenceBlocks.CountOf(convolution.Sequences, WeightTokens));
        (int taps, int channels) = (convolution.Width, convolution.Channels);
        int steps = gweight.Exists ? (taps + 3) / 4 : 1;
        DeviceArray weights = gweight.Exists ? Allocate([blocks, taps * channels]) : default;
        DeviceArray biases = gbias.Exists ? Allocate([blocks, channels]) : default;
        ConvolutionArrays arrays = ArraysOf(convolution with { Bias = default }, own, WeightTokens);
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
