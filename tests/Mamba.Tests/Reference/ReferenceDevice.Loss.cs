using Mamba.Devices;
using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Softmax(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        View source = ViewOf(x), target = ViewOf(y);
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            (double maximum, double sum) = ExponentialsOf(source, row, x.Shape.Width);
            for (int j = 0; j < x.Shape.Width; j++)
            {
                target[row, j] = Math.Exp(source[row, j] - maximum) / sum;
            }
        }
    }

    internal override void SoftmaxBackward(DeviceArray y, DeviceArray gy, DeviceArray gx)
    {
        View p = ViewOf(y), from = ViewOf(gy), to = ViewOf(gx);
        for (int row = 0; row < y.Shape.Rows; row++)
        {
            double dot = 0;
            for (int j = 0; j < y.Shape.Width; j++)
            {
                dot += p[row, j] * from[row, j];
            }

            for (int j = 0; j < y.Shape.Width; j++)
            {
                to[row, j] += p[row, j] * (from[row, j] - dot);
            }
        }
    }

    internal override void CrossEntropy(in CrossEntropyOperation loss)
    {
        int counted = loss.CountTargets(ValuesOf(loss.Targets));
        View x = ViewOf(loss.Logits), kept = ViewOf(loss.Statistics), result = ViewOf(loss.Loss);
        double total = 0;
        for (int row = 0; row < loss.Targets.Length; row++)
        {
            int target = IndexAt(loss.Targets, row);
            if (target != loss.IgnoreIndex)
            {
                (kept[row, 0], kept[row, 1]) = ExponentialsOf(x, row, loss.Classes);
                total += Math.Log(kept[row, 1]) + kept[row, 0] - x[row, target];
            }
        }

        result[0] = total / Math.Max(counted, 1);
    }

    internal override void CrossEntropyBackward(in CrossEntropyOperation loss, in CrossEntropyOperation gradients)
    {
        View x = ViewOf(loss.Logits), kept = ViewOf(loss.Statistics);
        View from = ViewOf(gradients.Loss), to = ViewOf(gradients.Logits);
        double g = from[0] / Math.Max(loss.CountTargets(ValuesOf(loss.Targets)), 1);
        for (int row = 0; row < loss.Targets.Length; row++)
        {
            int target = IndexAt(loss.Targets, row);
            for (int j = 0; target != loss.IgnoreIndex && j < loss.Classes; j++)
            {
                to[row, j] += g * ((Math.Exp(x[row, j] - kept[row, 0]) / kept[row, 1]) - (j == target ? 1 : 0));
            }
        }
    }

    /// <summary>The maximum m of a row, and Σ e^(x - m).</summary>
    private static (double Maximum, double Sum) ExponentialsOf(View x, int row, int width)
    {
        double maximum = double.NegativeInfinity, sum = 0;
        for (int j = 0; j < width; j++)
        {
            maximum = Math.Max(maximum, x[row, j]);
        }

        for (int j = 0; j < width; j++)
        {
            sum += Math.Exp(x[row, j] - maximum);
        }

        return (maximum, sum);
    }

    private static int[] ValuesOf(IndexArray indices) =>
        [.. Enumerable.Range(0, indices.Length).Select(i => IndexAt(indices, i))];
}
