using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
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
        Filter filter = FilterOf(weight, bias, weight.Shape[0] - 1);
        Convolve(filter, silu, RowsOf(x), RowsOf(initialWindow), sequences, RowsOf(y), RowsOf(finalWindow));
    }

    internal override void SameConvolution(
        DeviceArray x, DeviceArray weight, DeviceArray bias, bool silu, Sequences sequences, DeviceArray y)
    {
        RequireConvolution(x, weight, bias, y, sequences);
        Filter filter = FilterOf(weight, bias, (weight.Shape[0] - 1) / 2);
        Convolve(filter, silu, RowsOf(x), default, sequences, RowsOf(y), default);
    }

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
        ConvolveBackward(
            FilterOf(weight, bias, weight.Shape[0] - 1),
            silu,
            RowsOf(x),
            RowsOf(initialWindow),
            sequences,
            RowsOf(gy),
            RowsOf(gfinalWindow),
            RowsOf(gx),
            RowsOf(ginitialWindow),
            gweight,
            gbias);
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
        Filter filter = FilterOf(weight, bias, (weight.Shape[0] - 1) / 2);
        ConvolveBackward(
            filter, silu, RowsOf(x), default, sequences, RowsOf(gy), default, RowsOf(gx), default, gweight, gbias);
    }

    private Filter FilterOf(DeviceArray weight, DeviceArray bias, int left) =>
        new(StartOf(weight), StartOf(bias), weight.Shape[0], left, weight.Shape.Width);

    private void Convolve(
        Filter filter, bool silu, Rows x, Rows window, Sequences sequences, Rows y, Rows finalWindow)
    {
        TokenBlocks blocks = new(sequences, filter.Channels, 16);
        if (silu)
        {
            Run(new ConvolutionJob<Elementwise.Silu>(blocks, filter, x, window, y), blocks.Count);
        }
        else
        {
            Run(new ConvolutionJob<Elementwise.Identity>(blocks, filter, x, window, y), blocks.Count);
        }

        if (!finalWindow.IsNull)
        {
            // Only now: the window may be updated in place.
            Run(new WindowJob(sequences, filter, x, window, finalWindow), sequences.Count);
        }
    }

    private void ConvolveBackward(
        Filter filter,
        bool silu,
        Rows x,
        Rows window,
        Sequences sequences,
        Rows gy,
        Rows gfinalWindow,
        Rows gx,
        Rows gwindow,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        using DeviceScope scope = Scope();
        TokenBlocks blocks = new(sequences, filter.Channels, 32);
        int weights = filter.Width * filter.Channels;
        DeviceArray sums = gweight.Exists || gbias.Exists
            ? Allocate([blocks.Count, weights + filter.Channels])
            : default;
        Rows scratch = RowsOf(Allocate([blocks.Count, DepthwiseConvolution.ScratchLength(filter)]));
        if (silu)
        {
            Run(
                new ConvolutionBackwardJob<Elementwise.Silu>(
                    blocks, filter, x, window, gy, gx, gwindow, RowsOf(sums), scratch),
                blocks.Count);
        }
        else
        {
            Run(
                new ConvolutionBackwardJob<Elementwise.Identity>(
                    blocks, filter, x, window, gy, gx, gwindow, RowsOf(sums), scratch),
                blocks.Count);
        }

        if (!gfinalWindow.IsNull)
        {
            Run(new WindowBackwardJob(sequences, filter, gfinalWindow, gx, gwindow), sequences.Count);
        }

        if (gweight.Exists)
        {
            AddColumnSums(sums.Slice(0, weights), gweight);
        }

        if (gbias.Exists)
        {
            AddColumnSums(sums.Slice(weights, filter.Channels), gbias);
        }
    }
}
