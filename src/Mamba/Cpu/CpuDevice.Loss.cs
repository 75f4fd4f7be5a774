using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

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

    internal override void LogitStatistics(in LogitSlice slice)
    {
        StatisticsJob job = new(slice, RowsOf(slice.Logits), StartOf(slice.Targets), RowsOf(slice.Statistics));
        Run(job, job.Items);
    }

    internal override void MeanLoss(
        IndexArray targets, int ignoreIndex, int counted, DeviceArray statistics, DeviceArray loss)
    {
        Rows rows = RowsOf(statistics);
        ReadOnlySpan<int> values = ValuesOf(targets);
        double sum = 0;
        for (int row = 0; row < values.Length; row++)
        {
            if (values[row] != ignoreIndex)
            {
                float* ofRow = rows[row];
                sum += Math.Log(ofRow[1]) + ((double)ofRow[0] - ofRow[2]);
            }
        }

        *RowsOf(loss).Origin = counted == 0 ? 0f : (float)(sum / counted);
    }

    internal override void CrossEntropyBackward(
        in LogitSlice slice, int counted, DeviceArray gLoss, DeviceArray gLogits)
    {
        CrossEntropyBackwardJob job = new(
            slice,
            RowsOf(slice.Logits),
            StartOf(slice.Targets),
            RowsOf(slice.Statistics),
            *RowsOf(gLoss).Origin / (double)Math.Max(counted, 1),
            RowsOf(gLogits));
        Run(job, job.Items);
    }

    internal override ReadOnlySpan<int> ValuesOf(IndexArray indices) => new(StartOf(indices), indices.Length);

    /// <summary>Rows cut into groups of at most <see cref="ElementsPerItem"/> elements, at least one row.</summary>
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

    private readonly struct StatisticsJob(LogitSlice slice, Rows logits, int* targets, Rows statistics) : IJob
    {
        private readonly RowGroups _groups = new(slice.Logits.Shape.Rows, slice.Logits.Shape.Width);
        private readonly int _width = slice.Logits.Shape.Width;

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                if (targets[row] == slice.IgnoreIndex)
                {
                    continue;
                }

                float* ofRow = statistics[row];
                (float maximum, float sum) = Kernels.Softmax.Statistics(logits[row], _width);
                (ofRow[0], ofRow[1]) = slice.FirstClass == 0
                    ? (maximum, sum)
                    : Kernels.Softmax.Combined((ofRow[0], ofRow[1]), (maximum, sum));
                int column = targets[row] - slice.FirstClass;
                if ((uint)column < (uint)_width)
                {
                    ofRow[2] = logits[row][column];
                }
            }
        }
    }

    private readonly struct CrossEntropyBackwardJob(
        LogitSlice slice, Rows logits, int* targets, Rows statistics, double g, Rows gLogits) : IJob
    {
        private readonly RowGroups _groups = new(slice.Logits.Shape.Rows, slice.Logits.Shape.Width);
        private readonly int _width = slice.Logits.Shape.Width;

        public int Items => _groups.Count;

        public void Run(int item)
        {
            (nint row, nint end) = _groups[item];
            for (; row < end; row++)
            {
                if (targets[row] != slice.IgnoreIndex)
                {
                    (float maximum, float sum) = (statistics[row][0], statistics[row][1]);
                    Kernels.Softmax.CrossEntropyBackward(
                        logits[row], _width, targets[row] - slice.FirstClass, maximum, sum, g, gLogits[row]);
                }
            }
        }
    }
}
