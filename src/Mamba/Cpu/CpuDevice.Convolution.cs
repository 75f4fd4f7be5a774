using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void Convolution(in ConvolutionOperation convolution)
    {
        Filter filter = FilterOf(convolution);
        TokenBlocks blocks = new(convolution.Sequences, filter.Channels, 16);
        Rows x = RowsOf(convolution.X), window = RowsOf(convolution.InitialWindow);
        VisitedTokens visits = default;
        if (convolution.Order is { } order)
        {
            visits = VisitsOf(order);
            using DeviceScope scope = Scope();
            ScratchSlots scratch = Slots(OrderedConvolution.ScratchLength(filter));
            if (convolution.Silu)
            {
                Run(
                    new OrderedConvolutionJob<Elementwise.Silu>(
                        blocks, filter, x, window, RowsOf(convolution.Y), visits, scratch),
                    blocks.Count);
            }
            else
            {
                Run(
                    new OrderedConvolutionJob<Elementwise.Identity>(
                        blocks, filter, x, window, RowsOf(convolution.Y), visits, scratch),
                    blocks.Count);
            }
        }
        else if (convolution.Silu)
        {
            Run(new ConvolutionJob<Elementwise.Silu>(blocks, filter, x, window, RowsOf(convolution.Y)), blocks.Count);
        }
        else
        {
            Run(
                new ConvolutionJob<Elementwise.Identity>(blocks, filter, x, window, RowsOf(convolution.Y)),
                blocks.Count);
        }

        if (convolution.FinalWindow.Exists)
        {
            // After the convolution has read the window, because FinalWindow may be the same array.
            Run(
                new WindowJob(convolution.Sequences, filter, x, window, RowsOf(convolution.FinalWindow), visits),
                convolution.Sequences.Count);
        }
    }

    internal override void ConvolutionBackward(
        in ConvolutionOperation convolution, in ConvolutionOperation gradients)
    {
        using DeviceScope scope = Scope();
        Filter filter = FilterOf(convolution);
        TokenBlocks blocks = new(convolution.Sequences, filter.Channels, 32);
        int weights = filter.Width * filter.Channels;
        DeviceArray sums = gradients.Weight.Exists || gradients.Bias.Exists
            ? Allocate([blocks.Count, weights + filter.Channels])
            : default;
        ConvolutionBackwardRows rows = new(
            RowsOf(convolution.X),
            RowsOf(convolution.InitialWindow),
            RowsOf(gradients.Y),
            RowsOf(gradients.X),
            RowsOf(gradients.InitialWindow),
            RowsOf(sums),
            convolution.Order is null
                ? RowsOf(Allocate([blocks.Count, DepthwiseConvolution.ScratchLength(filter)]))
                : default);
        VisitedTokens visits = default;
        if (convolution.Order is { } order)
        {
            visits = VisitsOf(order);
            ScratchSlots scratch = Slots(OrderedConvolution.ScratchLength(filter));
            if (convolution.Silu)
            {
                Run(
                    new OrderedConvolutionBackwardJob<Elementwise.Silu>(blocks, filter, rows, visits, scratch),
                    blocks.Count);
            }
            else
            {
                Run(
                    new OrderedConvolutionBackwardJob<Elementwise.Identity>(blocks, filter, rows, visits, scratch),
                    blocks.Count);
            }
        }
        else if (convolution.Silu)
        {
            Run(new ConvolutionBackwardJob<Elementwise.Silu>(blocks, filter, rows), blocks.Count);
        }
        else
        {
            Run(new ConvolutionBackwardJob<Elementwise.Identity>(blocks, filter, rows), blocks.Count);
        }

        if (gradients.FinalWindow.Exists)
        {
            Run(
                new WindowBackwardJob(
                    convolution.Sequences, filter, RowsOf(gradients.FinalWindow), rows.Gx, rows.Gwindow, visits),
                convolution.Sequences.Count);
        }

        if (gradients.Weight.Exists)
        {
            AddColumnSums(sums.Slice(0, weights), gradients.Weight);
        }

        if (gradients.Bias.Exists)
        {
            AddColumnSums(sums.Slice(weights, filter.Channels), gradients.Bias);
        }
    }

    private Filter FilterOf(in ConvolutionOperation convolution) =>
        new(
            StartOf(convolution.Weight),
            StartOf(convolution.Bias),
            convolution.Width,
            convolution.Left,
            convolution.Channels);
}
