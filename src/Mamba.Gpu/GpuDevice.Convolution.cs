using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void Convolution(in ConvolutionOperation convolution)
    {
        using DeviceScope scope = Scope();
        (Sequences sequences, Shape shape) = (convolution.Sequences, convolution.X.Shape);
        GpuSequences own = SequencesOf(sequences);
        ConvolutionArrays arrays = ArraysOf(convolution, own, QuadOfTokens.Length);
        (Plane plane, long groups, (int, int) threads) = BlocksOf(sequences, shape.Width, QuadOfTokens.Length);

        // One thread computes a short sequence, so no other thread reads its window, and the same launch updates the
        // window: a step is one launch.
        bool isShort = sequences.Segments is null && shape[1] is > 0 and <= QuadOfTokens.Length;
        int silu = convolution.Silu ? 1 : 0;
        WindowSlide slide = new(RowsOf(convolution.FinalWindow));
        if (arrays.AreWhole)
        {
            Launch(
                new ConvolutionKernel<WholeWords>(
                    plane, arrays, silu, RowsOf(convolution.Y), isShort ? slide : default),
                groups,
                threads);
        }
        else
        {
            Launch(
                new ConvolutionKernel<WordsUpTo>(plane, arrays, silu, RowsOf(convolution.Y), isShort ? slide : default),
                groups,
                threads);
        }

        if (!isShort && convolution.FinalWindow.Exists)
        {
            (plane, groups, threads) = PlaneOf([sequences.Count, shape.Width], flat: false);
            Launch(new WindowKernel(plane, arrays, slide), groups, threads);
        }
    }

    /// <summary>The operands for a kernel. Reversed taps look ahead as far as the original taps look back.</summary>
    private ConvolutionArrays ArraysOf(
        in ConvolutionOperation convolution, GpuSequences sequences, int blockLength, bool isReversed = false) =>
        new(
            new(sequences, blockLength),
            RowsOf(convolution.X),
            RowsOf(convolution.InitialWindow),
            RowsOf(convolution.Weight),
            RowsOf(convolution.Bias),
            convolution.Width,
            isReversed ? convolution.Width - 1 - convolution.Left : convolution.Left,
            convolution.Channels,
            isReversed ? 1 : 0);

    /// <summary>Divides blocks of tokens and their channels among threads.</summary>
    private (Plane Plane, long Groups, (int X, int Y) Threads) BlocksOf(
        in Sequences sequences, int channels, int length) =>
        PlaneOf([checked((int)SequenceBlocks.CountOf(sequences, length)), channels], flat: false);
}
