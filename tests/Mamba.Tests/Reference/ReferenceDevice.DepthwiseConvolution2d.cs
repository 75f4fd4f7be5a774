using Mamba.Operations;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void DepthwiseConvolution2d(in DepthwiseConvolution2dOperation convolution)
    {
        View y = ViewOf(convolution.Y);
        for (int place = 0; place < convolution.Y.Shape.Rows; place++)
        {
            for (int c = 0; c < convolution.Channels; c++)
            {
                double sum = WeightedSum(convolution, place, c);
                y[place, c] = convolution.Silu ? sum * Sigmoid(sum) : sum;
            }
        }
    }

    internal override void DepthwiseConvolution2dBackward(
        in DepthwiseConvolution2dOperation convolution, in DepthwiseConvolution2dOperation gradients)
    {
        View x = ViewOf(convolution.X), w = ViewOf(convolution.Weight), gy = ViewOf(gradients.Y);
        View gx = ViewOf(gradients.X), gw = ViewOf(gradients.Weight), gb = ViewOf(gradients.Bias);
        for (int place = 0; place < convolution.Y.Shape.Rows; place++)
        {
            for (int c = 0; c < convolution.Channels; c++)
            {
                double sum = WeightedSum(convolution, place, c), sigma = Sigmoid(sum);
                double g = gy[place, c] * (convolution.Silu ? sigma * (1 + (sum * (1 - sigma))) : 1);
                if (gb.Exists)
                {
                    gb[c] += g;
                }

                foreach ((int tap, int pixel) in Met(convolution, place))
                {
                    if (gx.Exists)
                    {
                        gx[pixel, c] += g * w[tap, c];
                    }

                    if (gw.Exists)
                    {
                        gw[tap, c] += g * x[pixel, c];
                    }
                }
            }
        }
    }

    private static double WeightedSum(in DepthwiseConvolution2dOperation convolution, int place, int c)
    {
        View x = ViewOf(convolution.X), w = ViewOf(convolution.Weight);
        double sum = convolution.Bias.Exists ? ViewOf(convolution.Bias)[c] : 0;
        foreach ((int tap, int pixel) in Met(convolution, place))
        {
            sum += w[tap, c] * x[pixel, c];
        }

        return sum;
    }

    /// <summary>The taps of an output and the pixels that they read, both in row-major order.</summary>
    private static IEnumerable<(int Tap, int Pixel)> Met(DepthwiseConvolution2dOperation convolution, int place)
    {
        (int stride, int dilation) = (convolution.Stride, convolution.Dilation);
        (int line, int j) = Math.DivRem(place, convolution.OutputWidth);
        (int image, int i) = Math.DivRem(line, convolution.OutputHeight);
        for (int a = 0; a < convolution.TapsDown; a++)
        {
            for (int b = 0; b < convolution.TapsAcross; b++)
            {
                int row = (i * stride) + (a * dilation) - ((convolution.TapsDown - 1) * dilation / 2);
                int column = (j * stride) + (b * dilation) - ((convolution.TapsAcross - 1) * dilation / 2);
                if (row >= 0 && row < convolution.Height && column >= 0 && column < convolution.Width)
                {
                    yield return (
                        (a * convolution.TapsAcross) + b,
                        (((image * convolution.Height) + row) * convolution.Width) + column);
                }
            }
        }
    }
}
