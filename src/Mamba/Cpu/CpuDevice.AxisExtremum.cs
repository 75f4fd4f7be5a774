using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void AxisExtremum(
        DeviceArray x, in AxisView view, bool largest, DeviceArray y, DeviceArray places)
    {
        RequireAxis(view, x, y);
        RequireElements(view, x);
        float* from = StartOf(x), to = StartOf(y);
        if (largest)
        {
            AxisExtremum<Largest>(from, view, to);
        }
        else
        {
            AxisExtremum<Smallest>(from, view, to);
        }

        if (places.Exists)
        {
            PlacesJob job = new(from, view, to, (int*)StartOf(places));
            Run(job, job.Items);
        }
    }

    internal override void AxisExtremumBackward(DeviceArray places, in AxisView view, DeviceArray gy, DeviceArray gx)
    {
        RequireAxis(view, gx, gy);
        Run(
            new ExtremumBackwardJob((int*)StartOf(places), view, StartOf(gy), StartOf(gx)),
            (int)((view.Kept + ElementsPerItem - 1) / ElementsPerItem));
    }

    private void AxisExtremum<TOp>(float* x, in AxisView view, float* y)
        where TOp : struct, IExtremum
    {
        AxisCells cells = new(view);
        if (cells.Parts == 1)
        {
            Run(new ExtremumJob<TOp>(x, cells, y), cells.Items);
            return;
        }

        using DeviceScope scope = Scope();
        float* partial = StartOf(Allocate([checked((int)(cells.Parts * view.Kept))]));
        Run(new ExtremumJob<TOp>(x, cells, partial), cells.Items);
        AxisExtremum<TOp>(partial, view with { Count = cells.Parts }, y);
    }

    /// <summary>Computes the extremum of each part of the rows; a single part is complete.</summary>
    private readonly struct ExtremumJob<TOp>(float* x, AxisCells cells, float* y) : IJob
        where TOp : struct, IExtremum
    {
        public void Run(int item)
        {
            (nint start, nint end) = cells.OfItem(item);
            if (cells.View.Inner == 1 && cells.Parts == 1)
            {
                // Cells are whole rows, and contiguous.
                Cell first = cells[start];
                Kernels.AxisExtremum.Along<TOp>(x + first.Element, first.Rows, end - start, y + first.Partial);
                return;
            }

            for (nint i = start; i < end; i++)
            {
                Cell cell = cells[i];
                if (cells.View.Inner == 1)
                {
                    Kernels.AxisExtremum.Along<TOp>(x + cell.Element, cell.Rows, 1, y + cell.Partial);
                }
                else
                {
                    Kernels.AxisExtremum.Across<TOp>(
                        x + cell.Element, cells.View.Inner, cell.Rows, cell.Width, y + cell.Partial);
                }
            }
        }
    }

    /// <summary>Finds the first position of each extremum. An item has some o, or some columns of one o.</summary>
    private readonly struct PlacesJob(float* x, AxisView view, float* y, int* places) : IJob
    {
        private readonly int _width = (int)Math.Min(view.Inner, AxisSum.MaxWidth);
        private readonly nint _perItem = Math.Max(
            1, ElementsPerItem / Math.Max(view.Count * Math.Min(view.Inner, AxisSum.MaxWidth), 1));

        public int Items => (int)((Cells + _perItem - 1) / _perItem);

        private nint Chunks => _width == 0 ? 0 : (view.Inner + _width - 1) / _width;

        private nint Cells => view.Outer * Chunks;

        public void Run(int item)
        {
            nint end = Math.Min((item + 1) * _perItem, Cells);
            for (nint cell = item * _perItem; cell < end; cell++)
            {
                (nint outer, nint chunk) = Math.DivRem(cell, Chunks);
                nint column = chunk * _width, kept = (outer * view.Inner) + column;
                float* from = x + (outer * view.Count * view.Inner) + column;
                if (view.Inner == 1)
                {
                    places[kept] = Kernels.AxisExtremum.FindAlong(from, y[kept], view.Count);
                }
                else
                {
                    int width = (int)Math.Min(_width, view.Inner - column);
                    Kernels.AxisExtremum.FindAcross(from, view.Inner, view.Count, width, y + kept, places + kept);
                }
            }
        }
    }

    private readonly struct ExtremumBackwardJob(int* places, AxisView view, float* gy, float* gx) : IJob
    {
        public void Run(int item)
        {
            nint kept = (nint)item * ElementsPerItem, end = Math.Min(kept + ElementsPerItem, view.Kept);
            (nint outer, nint column) = Math.DivRem(kept, view.Inner);
            for (; kept < end; kept++)
            {
                gx[(((outer * view.Count) + places[kept]) * view.Inner) + column] += gy[kept];
                if (++column == view.Inner)
                {
                    (outer, column) = (outer + 1, 0);
                }
            }
        }
    }
}
