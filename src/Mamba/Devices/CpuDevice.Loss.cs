using Mamba.Kernels;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Devices;

public sealed unsafe partial class CpuDevice
{
    internal override void Softmax(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        SoftmaxJob job = new(RowsOf(x), x.Shape.Rows, x.Shape.Width, RowsOf(y));
        Run(job, job.Items);
    }

    internal override void SoftmaxBackward(DeviceArray y, DeviceArray gy, DeviceArray gx)
    {
        RequireSameShape(y, gy);
        RequireSameShape(y, gx);
        SoftmaxBackwardJob job = new(RowsOf(y), y.Shape.Rows, y.Shape.Width, RowsOf(gy), RowsOf(gx));
        Run(job, job.Items);
    }

    internal override void CrossEntropy(in CrossEntropyOperation loss)
    {
        int counted = loss.CountTargets(ValuesOf(loss.Targets)), ignoreIndex = loss.IgnoreIndex;
        Rows x = RowsOf(loss.Logits), statistics = RowsOf(loss.Statistics);
        int* target = StartOf(loss.Targets);
        StatisticsJob job = new(x, loss.Logits.Shape.Rows, loss.Classes, target, ignoreIndex, statistics);
        Run(job, job.Items);

        double sum = 0;
        for (nint row = 0; row < loss.Targets.Length; row++)
        {
            if (target[row] != ignoreIndex)
            {
                sum += Math.Log(statistics[row][1]) + ((double)statistics[row][0] - x[row][target[row]]);
            }
        }

        *RowsOf(loss.Loss).Origin = counted == 0 ? 0f : (float)(sum / counted);
    }

    internal override void CrossEntropyBackward(in CrossEntropyOperation loss, in CrossEntropyOperation gradients)
    {
        int counted = loss.CountTargets(ValuesOf(loss.Targets));
        CrossEntropyBackwardJob job = new(
            RowsOf(loss.Logits),
            loss.Logits.Shape.Rows,
            loss.Classes,
            StartOf(loss.Targets),
            loss.IgnoreIndex,
            RowsOf(loss.Statistics),
            *RowsOf(gradients.Loss).Origin / (double)Math.Max(counted, 1),
            RowsOf(gradients.Logits));
        Run(job, job.Items);
    }

    private ReadOnlySpan<int> ValuesOf(IndexArray indices) => new(StartOf(indices), indices.Length);

    /// <summary>Rows cut into groups of some thousand elements.</summary>
    private readonly struct RowGroups(nint rows, int width)
    {
        private readonly int _rowsPerItem = Math.Max(1, ElementsPerItem / Math.Max(width, 1));

        public int Count => (int)((rows + _rowsPerItem - 1) / _rowsPerItem);

        public (nint First, nint End) this[int item] =>
            ((nint)item * _rowsPerItem, Math.Min(((nint)item + 1) * _rowsPerItem, rows));
    }

    private readonly struct SoftmaxJob(Rows x, nint rows, int width, Rows y) : IJob
    {
        private readonly RowGroups _groups = new(rows, width);

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                Kernels.Softmax.Forward(x[row], y[row], width);
            }
        }
    }

    private readonly struct SoftmaxBackwardJob(Rows y, nint rows, int width, Rows gy, Rows gx) : IJob
    {
        private readonly RowGroups _groups = new(rows, width);

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                Kernels.Softmax.Backward(y[row], gy[row], gx[row], width);
            }
        }
    }

    private readonly struct StatisticsJob(
        Rows logits, nint rows, int width, int* targets, int ignoreIndex, Rows statistics) : IJob
    {
        private readonly RowGroups _groups = new(rows, width);

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                if (targets[row] != ignoreIndex)
                {
                    (statistics[row][0], statistics[row][1]) = Kernels.Softmax.Statistics(logits[row], width);
                }
            }
        }
    }

    private readonly struct CrossEntropyBackwardJob(
        Rows logits, nint rows, int width, int* targets, int ignoreIndex, Rows statistics, double g, Rows gLogits)
        : IJob
    {
        private readonly RowGroups _groups = new(rows, width);

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                if (targets[row] != ignoreIndex)
                {
                    (float maximum, float sum) = (statistics[row][0], statistics[row][1]);
                    Kernels.Softmax.CrossEntropyBackward(
                        logits[row], width, targets[row], maximum, sum, g, gLogits[row]);
                }
            }
        }
    }
}
