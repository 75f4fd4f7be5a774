using Mamba.Memory;
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

    internal override void LogitStatistics(in LogitSlice slice)
    {
        View x = ViewOf(slice.Logits), statistics = ViewOf(slice.Statistics);
        int width = slice.Logits.Shape.Width;
        for (int row = 0; row < slice.Targets.Length; row++)
        {
            int target = IndexAt(slice.Targets, row);
            if (target == slice.IgnoreIndex)
            {
                continue;
            }

            (double maximum, double sum) = ExponentialsOf(x, row, width);
            if (slice.FirstClass > 0)
            {
                double largest = Math.Max(maximum, statistics[row, 0]);
                sum = (sum * Math.Exp(maximum - largest))
                    + (statistics[row, 1] * Math.Exp(statistics[row, 0] - largest));
                maximum = largest;
            }

            (statistics[row, 0], statistics[row, 1]) = (maximum, sum);
            if (target >= slice.FirstClass && target < slice.FirstClass + width)
            {
                statistics[row, 2] = x[row, target - slice.FirstClass];
            }
        }
    }

    internal override void MeanLoss(
        IndexArray targets, int ignoreIndex, int counted, DeviceArray statistics, DeviceArray loss)
    {
        View ofRows = ViewOf(statistics);
        double total = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            if (IndexAt(targets, row) != ignoreIndex)
            {
                total += Math.Log(ofRows[row, 1]) + ofRows[row, 0] - ofRows[row, 2];
            }
        }

        ViewOf(loss)[0] = total / Math.Max(counted, 1);
    }

    internal override void CrossEntropyBackward(
        in LogitSlice slice, int counted, DeviceArray gLoss, DeviceArray gLogits)
    {
        View x = ViewOf(slice.Logits), statistics = ViewOf(slice.Statistics), to = ViewOf(gLogits);
        double g = ViewOf(gLoss)[0] / Math.Max(counted, 1);
        for (int row = 0; row < slice.Targets.Length; row++)
        {
            int target = IndexAt(slice.Targets, row);
            for (int j = 0; target != slice.IgnoreIndex && j < slice.Logits.Shape.Width; j++)
            {
                double probability = Math.Exp(x[row, j] - statistics[row, 0]) / statistics[row, 1];
                to[row, j] += g * (probability - (slice.FirstClass + j == target ? 1 : 0));
            }
        }
    }

    internal override ReadOnlySpan<int> ValuesOf(IndexArray indices) =>
        Enumerable.Range(0, indices.Length).Select(i => IndexAt(indices, i)).ToArray();

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
}
