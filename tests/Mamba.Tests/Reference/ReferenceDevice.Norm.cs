using Mamba.Memory;
using Mamba.Operations;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Norm(in NormOperation norm)
    {
        (DeviceArray x, DeviceArray residual, DeviceArray sum) = (norm.X, norm.Residual, norm.Sum);
        int width = x.Shape.Width;
        double[] s = new double[width];
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            for (int i = 0; i < width; i++)
            {
                s[i] = ViewOf(x)[row, i] + (residual.Exists ? ViewOf(residual)[row, i] : 0);
                if (sum.Exists)
                {
                    ViewOf(sum)[row, i] = s[i];
                }
            }

            double[] n = Normalised(s, norm.Epsilon, norm.Centered).Values;
            for (int i = 0; i < width; i++)
            {
                ViewOf(norm.Y)[row, i] = (n[i] * At(norm.Weight, i, 1)) + At(norm.Bias, i, 0);
            }
        }
    }

    internal override void NormBackward(in NormOperation norm, in NormOperation gradients)
    {
        DeviceArray s = norm.Normalized;
        int width = s.Shape.Width;
        double[] values = new double[width], g = new double[width];
        NormWeights weights = new(norm.Weight, gradients.Weight, gradients.Bias);
        for (int row = 0; row < s.Shape.Rows; row++)
        {
            for (int i = 0; i < width; i++)
            {
                values[i] = ViewOf(s)[row, i];
                g[i] = ViewOf(gradients.Y)[row, i];
            }

            double[] gs = ThroughNorm(values, g, weights, 0, norm.Epsilon, norm.Centered);
            for (int i = 0; i < width; i++)
            {
                double total = gs[i] + (gradients.Sum.Exists ? ViewOf(gradients.Sum)[row, i] : 0);
                Add(gradients.X, row, i, total);
                Add(gradients.Residual, row, i, total);
            }
        }
    }

    internal override void GatedRmsNorm(in GatedNormOperation norm)
    {
        (DeviceArray x, DeviceArray z, DeviceArray weight, DeviceArray bias) =
            (norm.X, norm.Z, norm.Weight, norm.Bias);
        (int groupSize, bool normBeforeGate, double epsilon) = (norm.GroupSize, norm.NormBeforeGate, norm.Epsilon);
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            for (int start = 0; start < x.Shape.Width; start += groupSize)
            {
                double[] u = new double[groupSize];
                for (int i = 0; i < groupSize; i++)
                {
                    u[i] = ViewOf(x)[row, start + i] * (normBeforeGate ? 1 : Silu(ViewOf(z)[row, start + i]));
                }

                double[] n = Normalised(u, epsilon, false).Values;
                for (int i = 0; i < groupSize; i++)
                {
                    double value = (n[i] * At(weight, start + i, 1)) + At(bias, start + i, 0);
                    ViewOf(norm.Y)[row, start + i] = value * (normBeforeGate ? Silu(ViewOf(z)[row, start + i]) : 1);
                }
            }
        }
    }

    internal override void GatedRmsNormBackward(in GatedNormOperation norm, in GatedNormOperation gradients)
    {
        (DeviceArray x, DeviceArray z, DeviceArray gy) = (norm.X, norm.Z, gradients.Y);
        (int groupSize, bool normBeforeGate, double epsilon) = (norm.GroupSize, norm.NormBeforeGate, norm.Epsilon);
        NormWeights weights = new(norm.Weight, gradients.Weight, gradients.Bias);
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            for (int start = 0; start < x.Shape.Width; start += groupSize)
            {
                double[] u = new double[groupSize], g = new double[groupSize];
                for (int i = 0; i < groupSize; i++)
                {
                    double gate = Silu(ViewOf(z)[row, start + i]);
                    u[i] = ViewOf(x)[row, start + i] * (normBeforeGate ? 1 : gate);
                    g[i] = ViewOf(gy)[row, start + i] * (normBeforeGate ? gate : 1);
                }

                double[] n = Normalised(u, epsilon, false).Values;
                double[] gu = ThroughNorm(u, g, weights, start, epsilon, false);
                for (int i = 0; i < groupSize; i++)
                {
                    double xi = ViewOf(x)[row, start + i], zi = ViewOf(z)[row, start + i];
                    double value = (n[i] * At(norm.Weight, start + i, 1)) + At(norm.Bias, start + i, 0);
                    double ggate = normBeforeGate ? ViewOf(gy)[row, start + i] * value : gu[i] * xi;
                    Add(gradients.X, row, start + i, gu[i] * (normBeforeGate ? 1 : Silu(zi)));
                    Add(gradients.Z, row, start + i, ggate * Sigmoid(zi) * (1 + (zi * (1 - Sigmoid(zi)))));
                }
            }
        }
    }

    private static (double[] Values, double R) Normalised(double[] x, double epsilon, bool centered)
    {
        double mean = centered ? x.Average() : 0;
        double r = 1 / Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + epsilon);
        return (System.Array.ConvertAll(x, value => (value - mean) * r), r);
    }

    /// <summary>The gradient through a normalised row by its Jacobian: r·(δ_ij - [centred]/n - n_i·n_j/n).</summary>
    private static double[] ThroughNorm(
        double[] x, double[] gy, NormWeights weights, int start, double epsilon, bool centered)
    {
        (double[] n, double r) = Normalised(x, epsilon, centered);
        double[] gx = new double[x.Length];
        for (int j = 0; j < x.Length; j++)
        {
            Add(weights.GradientOfWeight, 0, start + j, gy[j] * n[j]);
            Add(weights.GradientOfBias, 0, start + j, gy[j]);
            double g = gy[j] * At(weights.Weight, start + j, 1) * r;
            for (int i = 0; i < x.Length; i++)
            {
                double same = i == j ? 1 : 0, fromMean = centered ? 1.0 / x.Length : 0;
                gx[i] += g * (same - fromMean - (n[i] * n[j] / x.Length));
            }
        }

        return gx;
    }

    private static double Silu(double x) => x * Sigmoid(x);

    private static double At(DeviceArray columns, int i, double otherwise) =>
        columns.Exists ? ViewOf(columns)[i] : otherwise;

    private static void Add(DeviceArray gradient, int row, int column, double value)
    {
        if (gradient.Exists)
        {
            ViewOf(gradient)[row, column] += value;
        }
    }

    /// <summary>The weight of a norm, and the gradients that its backward pass adds to.</summary>
    private readonly record struct NormWeights(
        DeviceArray Weight, DeviceArray GradientOfWeight, DeviceArray GradientOfBias);
}
