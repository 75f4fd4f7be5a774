using Mamba.Devices;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Norm(
        DeviceArray x,
        DeviceArray residual,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        bool centered,
        DeviceArray y,
        DeviceArray sum)
    {
        RequireNorm(x, weight, bias, y, residual, sum);
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

            double[] n = Normalised(s, epsilon, centered).Values;
            for (int i = 0; i < width; i++)
            {
                ViewOf(y)[row, i] = (n[i] * At(weight, i, 1)) + At(bias, i, 0);
            }
        }
    }

    internal override void NormBackward(
        DeviceArray s,
        DeviceArray weight,
        float epsilon,
        bool centered,
        DeviceArray gy,
        DeviceArray gsum,
        DeviceArray gx,
        DeviceArray gresidual,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        int width = s.Shape.Width;
        double[] values = new double[width], g = new double[width];
        for (int row = 0; row < s.Shape.Rows; row++)
        {
            for (int i = 0; i < width; i++)
            {
                values[i] = ViewOf(s)[row, i];
                g[i] = ViewOf(gy)[row, i];
            }

            double[] gs = ThroughNorm(values, g, weight, 0, epsilon, centered, gweight, gbias);
            for (int i = 0; i < width; i++)
            {
                double total = gs[i] + (gsum.Exists ? ViewOf(gsum)[row, i] : 0);
                Add(gx, row, i, total);
                Add(gresidual, row, i, total);
            }
        }
    }

    internal override void GatedRmsNorm(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray y)
    {
        RequireNorm(x, weight, bias, z, y);
        RequireGroups(x, groupSize);
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
                    ViewOf(y)[row, start + i] = value * (normBeforeGate ? Silu(ViewOf(z)[row, start + i]) : 1);
                }
            }
        }
    }

    internal override void GatedRmsNormBackward(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gz,
        DeviceArray gweight,
        DeviceArray gbias)
    {
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
                double[] gu = ThroughNorm(u, g, weight, start, epsilon, false, gweight, gbias);
                for (int i = 0; i < groupSize; i++)
                {
                    double xi = ViewOf(x)[row, start + i], zi = ViewOf(z)[row, start + i];
                    double value = (n[i] * At(weight, start + i, 1)) + At(bias, start + i, 0);
                    double ggate = normBeforeGate ? ViewOf(gy)[row, start + i] * value : gu[i] * xi;
                    Add(gx, row, start + i, gu[i] * (normBeforeGate ? 1 : Silu(zi)));
                    Add(gz, row, start + i, ggate * Sigmoid(zi) * (1 + (zi * (1 - Sigmoid(zi)))));
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

    /// <summary>The gradient of a normalised row, from the Jacobian: r·(δ_ij - [centred]/n - n_i·n_j/n).</summary>
    private static double[] ThroughNorm(
        double[] x,
        double[] gy,
        DeviceArray weight,
        int start,
        double epsilon,
        bool centered,
        DeviceArray gweight,
        DeviceArray gbias)
    {
        (double[] n, double r) = Normalised(x, epsilon, centered);
        double[] gx = new double[x.Length];
        for (int j = 0; j < x.Length; j++)
        {
            Add(gweight, 0, start + j, gy[j] * n[j]);
            Add(gbias, 0, start + j, gy[j]);
            double g = gy[j] * At(weight, start + j, 1) * r;
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
}
