using Mamba.Gpu.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

public sealed partial class GpuDevice
{
    internal override void DepthwiseConvolution2d(in DepthwiseConvolution2dOperation convolution)
    {
        (Plane plane, long groups, (int, int) threads) = PlaneOf(convolution.Y.Shape, flat: false);
        Launch(
            new DepthwiseConvolution2dKernel(
                plane, ArraysOf(convolution), convolution.Silu ? 1 : 0, RowsOf(convolution.Y)),
            groups,
            threads);
    }

    internal override void DepthwiseConvolution2dBackward(
        in DepthwiseConvolution2dOperation convolution, in DepthwiseConvolution2dOperation gradients)
    {
        using DeviceScope scope = Scope();
        ImageArrays arrays = ArraysOf(convolution);
        (DeviceArray g, Shape shape) = (gradients.Y, convolution.Y.Shape);
        if (convolution.Silu)
        {
            g = Allocate(shape);
            (Plane outputs, long groups, (int, int) threads) = PlaneOf(shape, flat: false);
            Launch(new DepthwiseSlope2dKernel(outputs, arrays, RowsOf(gradients.Y), RowsOf(g)), groups, threads);
        }

        if (gradients.X.Exists)
        {
            (Plane pixels, long groups, (int, int) threads) = PlaneOf(convolution.X.Shape, flat: false);
            Launch(new DepthwiseInput2dKernel(pixels, arrays, RowsOf(g), RowsOf(gradients.X)), groups, threads);
        }

        if (gradients.Weight.Exists && shape.Count > 0)
        {
            // Partial sums over the outputs of a block; they are added below.
            int taps = convolution.TapsDown * convolution.TapsAcross, channels = convolution.Channels;
            int blocks = checked((int)Groups(shape.Rows, WeightTokens));
            DeviceArray sums = Allocate([checked(blocks * taps), channels]);
            (Plane plane, long groups, (int, int) threads) = PlaneOf(sums.Shape, flat: false);
            Launch(
                new DepthwiseWeight2dKernel(plane, arrays, shape.Rows, WeightTokens, RowsOf(g), RowsOf(sums)),
                groups,
                threads);
            AddColumnSums(
                sums.Reshape([blocks, taps * channels]), gradients.Weight.Reshape([taps * channels]));
        }

        if (gradients.Bias.Exists)
        {
            AddColumnSums(g, gradients.Bias);
        }
    }

    private ImageArrays ArraysOf(in DepthwiseConvolution2dOperation convolution) => new(
        RowsOf(convolution.X),
        RowsOf(convolution.Weight),
        RowsOf(convolution.Bias),
        (convolution.Height, convolution.Width),
        (convolution.OutputHeight, convolution.OutputWidth),
        (convolution.TapsDown, convolution.TapsAcross),
        (convolution.Top, convolution.Left),
        convolution.Stride,
        convolution.Dilation,
        convolution.Channels);
}
