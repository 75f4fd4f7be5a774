using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void GatherRows(
        DeviceArray x, IndexArray indices, int batch, DeviceArray y, bool accumulate = false)
    {
        RequireGatherable(x, indices, batch, y);
        if (x.Precision != Precision.Float32 && batch == 1)
        {
            UseWeights(x, new LookUpUse(StartOf(indices), indices.Length, RowsOf(y)));
            return;
        }

        GatherJob job = new(
            RowsOf(x), x.Shape.Rows / batch, StartOf(indices), indices.Length, x.Shape.Width, RowsOf(y), accumulate);
        Run(job, batch * job.ItemsPerPart);
    }

    internal override void GatherRowsBackward(IndexArray indices, int batch, DeviceArray gy, DeviceArray gx)
    {
        RequireGatherable(gx, indices, batch, gy);
        GatherBackwardJob job = new(
            StartOf(indices), indices.Length, gx.Shape.Width, RowsOf(gy), RowsOf(gx), gx.Shape.Rows / batch);
        Run(job, batch * job.ItemsPerPart);
    }

    private readonly struct GatherJob(
        Rows x, nint xRows, int* indices, int count, int width, Rows y, bool accumulate) : IJob
    {
        private readonly int _rowsPerItem = Math.Max(1, ElementsPerItem / Math.Max(width, 1));

        public int ItemsPerPart => (count + _rowsPerItem - 1) / _rowsPerItem;

        public void Run(int item)
        {
            (int part, int piece) = Math.DivRem(item, ItemsPerPart);
            int first = piece * _rowsPerItem, rows = Math.Min(_rowsPerItem, count - first);
            Rows source = new(x[part * xRows], x.Pitch), target = new(y[((nint)part * count) + first], y.Pitch);
            if (accumulate)
            {
                Gather.Add(source, indices + first, rows, width, target);
            }
            else
            {
                Gather.Forward(source, indices + first, rows, width, target);
            }
        }
    }

    /// <summary>An item adds some columns of all rows, so indices that name one row never race.</summary>
    private readonly struct GatherBackwardJob(
        int* indices, int count, int width, Rows gy, Rows gx, nint gxRows) : IJob
    {
        private const int Columns = 64;

        public int ItemsPerPart => (width + Columns - 1) / Columns;

        public void Run(int item)
        {
            (int part, int piece) = Math.DivRem(item, ItemsPerPart);
            int column = piece * Columns;
            Gather.Backward(
                indices,
                count,
                Math.Min(Columns, width - column),
                new(gy[(nint)part * count] + column, gy.Pitch),
                new(gx[part * gxRows] + column, gx.Pitch));
        }
    }
}
