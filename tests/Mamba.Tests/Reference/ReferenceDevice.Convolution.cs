using Mamba.Operations;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Convolution(in ConvolutionOperation convolution)
    {
        int left = convolution.Width - 1;
        Sequences sequences = convolution.Sequences;
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int t = 0; t < sequences.Length(s); t++)
            {
                for (int c = 0; c < convolution.Channels; c++)
                {
                    double sum = WeightedSum(convolution, s, t, c);
                    ViewOf(convolution.Y)[sequences.Start(s) + t, c] = convolution.Silu ? sum * Sigmoid(sum) : sum;
                }
            }
        }

        double[] last = new double[left];
        for (int s = 0; s < sequences.Count && convolution.FinalWindow.Exists; s++)
        {
            for (int c = 0; c < convolution.Channels; c++)
            {
                for (int j = 0; j < left; j++)
                {
                    last[j] = Input(convolution, s, sequences.Length(s) - left + j, c);
                }

                for (int j = 0; j < left; j++)
                {
                    ViewOf(convolution.FinalWindow)[(sequences.Slot(s) * left) + j, c] = last[j];
                }
            }
        }
    }

    internal override void ConvolutionBackward(
        in ConvolutionOperation convolution, in ConvolutionOperation gradients)
    {
        View w = ViewOf(convolution.Weight), gw = ViewOf(gradients.Weight), gb = ViewOf(gradients.Bias);
        Sequences sequences = convolution.Sequences;
        int left = convolution.Width - 1;
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int c = 0; c < convolution.Channels; c++)
            {
                for (int t = 0; t < sequences.Length(s); t++)
                {
                    double sum = WeightedSum(convolution, s, t, c);
                    double sigma = Sigmoid(sum);
                    double g = ViewOf(gradients.Y)[sequences.Start(s) + t, c];
                    g *= convolution.Silu ? sigma * (1 + (sum * (1 - sigma))) : 1;
                    for (int k = 0; k < convolution.Width; k++)
                    {
                        AddToInput(convolution, gradients, s, t - convolution.Left + k, c, g * w[k, c]);
                        if (gw.Exists)
                        {
                            gw[k, c] += g * Input(convolution, s, t - convolution.Left + k, c);
                        }
                    }

                    if (gb.Exists)
                    {
                        gb[c] += g;
                    }
                }

                for (int j = 0; j < left && gradients.FinalWindow.Exists; j++)
                {
                    double g = ViewOf(gradients.FinalWindow)[(s * left) + j, c];
                    AddToInput(convolution, gradients, s, sequences.Length(s) - left + j, c, g);
                }
            }
        }
    }

    /// <summary>bias + Σ_k w[k]·x_{t-left+k}</summary>
    private static double WeightedSum(in ConvolutionOperation convolution, int s, int t, int c)
    {
        double sum = convolution.Bias.Exists ? ViewOf(convolution.Bias)[c] : 0;
        for (int k = 0; k < convolution.Width; k++)
        {
            sum += ViewOf(convolution.Weight)[k, c] * Input(convolution, s, t - convolution.Left + k, c);
        }

        return sum;
    }

    /// <summary>x_t of sequence s: the window or zero before its start, zero after its end.</summary>
    private static double Input(in ConvolutionOperation convolution, int s, int t, int c)
    {
        (Sequences sequences, int left) = (convolution.Sequences, convolution.Width - 1);
        if (t >= sequences.Length(s) || (t < 0 && !convolution.InitialWindow.Exists))
        {
            return 0;
        }

        return t < 0
            ? ViewOf(convolution.InitialWindow)[(sequences.Slot(s) * left) + left + t, c]
            : ViewOf(convolution.X)[sequences.Start(s) + t, c];
    }

    private static void AddToInput(
        in ConvolutionOperation convolution, in ConvolutionOperation gradients, int s, int t, int c, double g)
    {
        (Sequences sequences, int left) = (convolution.Sequences, convolution.Width - 1);
        if (t < 0 && gradients.InitialWindow.Exists)
        {
            ViewOf(gradients.InitialWindow)[(s * left) + left + t, c] += g;
        }

        if (t >= 0 && t < sequences.Length(s) && gradients.X.Exists)
        {
            ViewOf(gradients.X)[sequences.Start(s) + t, c] += g;
        }
    }
}
