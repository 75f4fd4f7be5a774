using Mamba.Devices;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void CausalConvolution(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray initialWindow,
        Sequences sequences,
        DeviceArray y,
        DeviceArray finalWindow)
    {
        RequireConvolution(x, weight, bias, y, sequences);
        RequireWindow(initialWindow, weight, sequences);
        RequireWindow(finalWindow, weight, sequences);
        Convolve(x, weight, bias, silu, weight.Shape[0] - 1, initialWindow, sequences, y, finalWindow);
    }

    internal override void SameConvolution(
        DeviceArray x, DeviceArray weight, DeviceArray bias, bool silu, Sequences sequences, DeviceArray y)
    {
        RequireConvolution(x, weight, bias, y, sequences);
        Convolve(x, weight, bias, silu, (weight.Shape[0] - 1) / 2, default, sequences, y, default);
    }

    private void Convolve(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        int left,
        DeviceArray window,
        in Sequences sequences,
        DeviceArray y,
        DeviceArray finalWindow)
    {
        using DeviceScope scope = Scope();
        GpuSequences own = SequencesOf(sequences, x.Shape, sequences.Segments);
        ConvolutionArrays arrays = ArraysOf(x, weight, bias, left, window, own, QuadOfTokens.Length);
        (Plane plane, long groups, (int, int) threads) = BlocksOf(sequences, x.Shape.Width, QuadOfTokens.Length);

        // One thread has all tokens of a sequence, and so is the only one to read its window: a step is one launch.
        bool isShort = sequences.Segments is null && x.Shape[1] is > 0 and <= QuadOfTokens.Length;
        WindowSlide slide = new(RowsOf(finalWindow));
        if (arrays.AreWhole)
        {
            Launch(
                new ConvolutionKernel<WholeWords>(plane, arrays, silu ? 1 : 0, RowsOf(y), isShort ? slide : default),
                groups,
                threads);
        }
        else
        {
            Launch(
                new ConvolutionKernel<WordsUpTo>(plane, arrays, silu ? 1 : 0, RowsOf(y), isShort ? slide : default),
                groups,
                threads);
        }

        if (!isShort && finalWindow.Exists)
        {
            (plane, groups, threads) = PlaneOf([sequences.Count, x.Shape.Width], flat: false);
            Launch(new WindowKernel(plane, arrays, slide), groups, threads);
        }
    }

    private ConvolutionArrays ArraysOf(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        int left,
        DeviceArray window,
        GpuSequences sequences,
        int blockLength,
        bool isReversed = false) => new(
            new(sequences, blockLength),
            RowsOf(x),
            RowsOf(window),
            RowsOf(weight),
            RowsOf(bias),
            weight.Shape[0],
            left,
            x.Shape.Width,
            isReversed ? 1 : 0);

    /// <summary>How blocks of tokens and their channels are shared out to threads.</summary>
    private (Plane Plane, long Groups, (int X, int Y) Threads) BlocksOf(
        in Sequences sequences, int channels, int length) =>
        PlaneOf([checked((int)SequenceBlocks.CountOf(sequences, length)), channels], flat: false);
}
