using Mamba.Devices;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
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
        int left = weight.Shape[0] - 1;
        Convolve(x, weight, bias, silu, initialWindow, sequences, left, y);
        double[] inputs = new double[left];
        for (int s = 0; s < sequences.Count && finalWindow.Exists; s++)
        {
            for (int c = 0; c < x.Shape.Width; c++)
            {
                for (int j = 0; j < left; j++)
                {
                    inputs[j] = Input(x, initialWindow, sequences, left, s, sequences.Length(s) - left + j, c);
                }

                for (int j = 0; j < left; j++)
                {
                    ViewOf(finalWindow)[(s * left) + j, c] = inputs[j];
                }
            }
        }
    }

    internal override void SameConvolution(
        DeviceArray x, DeviceArray weight, DeviceArray bias, bool silu, Sequences sequences, DeviceArray y)
    {
        RequireConvolution(x, weight, bias, y, sequences);
        Convolve(x, weight, bias, silu, default, sequences, (weight.Shape[0] - 1) / 2, y);
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
        int left = weight.Shape[0] - 1;
        ConvolveBackward(x, weight, bias, silu, initialWindow, sequences, left, gy, gx, gweight, gbias, ginitialWindow);
        for (int s = 0; s < sequences.Count && gfinalWindow.Exists; s++)
        {
            for (int c = 0; c < x.Shape.Width; c++)
            {
                for (int j = 0; j < left; j++)
                {
                    double g = ViewOf(gfinalWindow)[(s * left) + j, c];
                    AddToInput(gx, ginitialWindow, sequences, left, s, sequences.Length(s) - left + j, c, g);
                }
            }
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
        DeviceArray gbias) =>
        ConvolveBackward(
            x, weight, bias, silu, default, sequences, (weight.Shape[0] - 1) / 2, gy, gx, gweight, gbias, default);

    private static void Convolve(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray window,
        Sequences sequences,
        int left,
        DeviceArray y)
    {
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int t = 0; t < sequences.Length(s); t++)
            {
                for (int c = 0; c < x.Shape.Width; c++)
                {
                    double sum = WeightedSum(x, weight, bias, window, sequences, left, s, t, c);
                    ViewOf(y)[sequences.Start(s) + t, c] = silu ? sum * Sigmoid(sum) : sum;
                }
            }
        }
    }

    private static void ConvolveBackward(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        bool silu,
        DeviceArray window,
        Sequences sequences,
        int left,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gweight,
        DeviceArray gbias,
        DeviceArray gwindow)
    {
        View w = ViewOf(weight), gw = ViewOf(gweight), gb = ViewOf(gbias);
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int t = 0; t < sequences.Length(s); t++)
            {
                for (int c = 0; c < x.Shape.Width; c++)
                {
                    double sum = WeightedSum(x, weight, bias, window, sequences, left, s, t, c);
                    double sigma = Sigmoid(sum);
                    double g = ViewOf(gy)[sequences.Start(s) + t, c];
                    g *= silu ? sigma * (1 + (sum * (1 - sigma))) : 1;
                    for (int k = 0; k < weight.Shape[0]; k++)
                    {
                        AddToInput(gx, gwindow, sequences, left, s, t - left + k, c, g * w[k, c]);
                        if (gw.Exists)
                        {
                            gw[k, c] += g * Input(x, window, sequences, left, s, t - left + k, c);
                        }
                    }

                    if (gb.Exists)
                    {
                        gb[c] += g;
                    }
                }
            }
        }
    }

    /// <summary>bias + Σ_k w[k]·x_{t-left+k}</summary>
    private static double WeightedSum(
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        DeviceArray window,
        Sequences sequences,
        int left,
        int s,
        int t,
        int c)
    {
        double sum = bias.Exists ? ViewOf(bias)[c] : 0;
        for (int k = 0; k < weight.Shape[0]; k++)
        {
            sum += ViewOf(weight)[k, c] * Input(x, window, sequences, left, s, t - left + k, c);
        }

        return sum;
    }

    /// <summary>x_t of sequence s; before its start the window or zero, after its end zero.</summary>
    private static double Input(
        DeviceArray x, DeviceArray window, Sequences sequences, int left, int s, int t, int c)
    {
        if (t >= sequences.Length(s) || (t < 0 && !window.Exists))
        {
            return 0;
        }

        return t < 0 ? ViewOf(window)[(s * left) + left + t, c] : ViewOf(x)[sequences.Start(s) + t, c];
    }

    private static void AddToInput(
        DeviceArray gx, DeviceArray gwindow, Sequences sequences, int left, int s, int t, int c, double g)
    {
        if (t < 0 && gwindow.Exists)
        {
            ViewOf(gwindow)[(s * left) + left + t, c] += g;
        }

        if (t >= 0 && t < sequences.Length(s) && gx.Exists)
        {
            ViewOf(gx)[sequences.Start(s) + t, c] += g;
        }
    }
}
