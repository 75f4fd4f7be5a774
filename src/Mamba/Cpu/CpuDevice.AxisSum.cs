using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void SumAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, x, y);
        SumAxis(new AxisSum.Values(StartOf(x)), view, scale, StartOf(y), accumulate);
    }

    private void SumAxis<TTerm>(TTerm term, in AxisView view, double scale, float* y, bool accumulate)
        where TTerm : struct, IAxisTerm
    {
        AxisCells cells = new(view);
        SumTarget target = new(scale, y, accumulate);
        if (cells.Parts == 1)
        {
            Run(new AxisSumJob<TTerm>(term, cells, target, null), cells.Items);
            return;
        }

        using DeviceScope scope = Scope();
        double* partial = (double*)StartOf(Allocate([2, checked((int)(cells.Parts * view.Kept))]));
        Run(new AxisSumJob<TTerm>(term, cells, target, partial), cells.Items);
        PartialSumsJob job = new(partial, cells.Parts, view, target);
        Run(job, job.Items);
    }

    /// <summary>
    /// A view cut into cells of some rows by some columns of one o. The cut depends on the view alone. If all rows are
    /// one part, the sums of a cell are complete; otherwise the sums of the parts are added afterwards.
    /// </summary>
    private readonly struct AxisCells
    {
        // Rows of a part are blocks of AxisSum, or of Reduce, so that only the last block is shorter.
        private const int RowsUnit = 64;

        private readonly nint _chunks;
        private readonly nint _partRows;
        private readonly nint _perItem;

        public AxisCells(in AxisView view)
        {
            View = view;
            Width = (int)Math.Min(view.Inner, AxisSum.MaxWidth);
            _chunks = Width == 0 ? 0 : (view.Inner + Width - 1) / Width;
            nint rows = 2 * ElementsPerItem / Math.Max(Width, 1);
            _partRows = Math.Max(RowsUnit, (rows + RowsUnit - 1) / RowsUnit * RowsUnit);
            Parts = Math.Max(1, (view.Count + _partRows - 1) / _partRows);
            nint elements = Math.Min(_partRows, view.Count) * Width;
            _perItem = Math.Max(1, ElementsPerItem / Math.Max(elements, 1));
        }

        public AxisView View { get; }

        /// <summary>Columns of a cell; the last cell of a row may have fewer.</summary>
        public int Width { get; }

        /// <summary>Number of parts of the rows of an o.</summary>
        public nint Parts { get; }

        /// <summary>Number of items, some cells each.</summary>
        public int Items => (int)((Cells + _perItem - 1) / _perItem);

        private nint Cells => View.Outer * Parts * _chunks;

        /// <summary>The cells of an item.</summary>
        public (nint Start, nint End) OfItem(int item) => (item * _perItem, Math.Min((item + 1) * _perItem, Cells));

        /// <summary>Locates a cell.</summary>
        public Cell this[nint cell]
        {
            get
            {
                (nint part, nint chunk) = Math.DivRem(cell, _chunks);
                (nint outer, nint ofOuter) = Math.DivRem(part, Parts);
                nint row = ofOuter * _partRows, column = chunk * Width;
                return new(
                    (((outer * View.Count) + row) * View.Inner) + column,
                    (outer * View.Inner) + column,
                    (part * View.Inner) + column,
                    Math.Min(_partRows, View.Count - row),
                    (int)Math.Min(Width, View.Inner - column));
            }
        }
    }

    /// <summary>A cell: its first element, sum and partial sum, and its size.</summary>
    private readonly record struct Cell(nint Element, nint Kept, nint Partial, nint Rows, int Width);

    /// <summary>The destination of complete sums.</summary>
    private readonly struct SumTarget(double scale, float* y, bool accumulate)
    {
        public double Scale => scale;

        public float* Y => y;

        public bool Accumulate => accumulate;

        public void Set(nint kept, double sum)
        {
            float value = (float)(scale * sum);
            y[kept] = accumulate ? y[kept] + value : value;
        }
    }

    private readonly struct AxisSumJob<TTerm>(TTerm term, AxisCells cells, SumTarget target, double* partial) : IJob
        where TTerm : struct, IAxisTerm
    {
        public bool IsWanted => target.Y != null;

        public void Run(int item)
        {
            (nint start, nint end) = cells.OfItem(item);
            if (cells.View.Inner == 1)
            {
                Along(start, end);
            }
            else if (cells.View.Count <= AxisSum.BlockRows)
            {
                AcrossFew(start, end);
            }
            else
            {
                Across(start, end);
            }
        }

        private void Along(nint start, nint end)
        {
            double* sums = stackalloc double[4];
            for (nint i = start; i < end;)
            {
                // Parts of one row are computed one by one, because their lengths differ.
                int rows = partial == null ? (int)Math.Min(4, end - i) : 1;
                Cell cell = cells[i];
                AxisSum.Along(term, cell.Element, cell.Kept, cell.Rows, rows, sums);
                Store(cell, rows, sums);
                i += rows;
            }
        }

        private void AcrossFew(nint start, nint end)
        {
            for (nint i = start; i < end; i++)
            {
                Cell cell = cells[i];
                AxisSum.AcrossFew(
                    term,
                    cell.Element,
                    cell.Kept,
                    cells.View.Inner,
                    cell.Rows,
                    cell.Width,
                    (float)target.Scale,
                    target.Y + cell.Kept,
                    target.Accumulate);
            }
        }

        private void Across(nint start, nint end)
        {
            double* sums = stackalloc double[AxisSum.MaxWidth];
            for (nint i = start; i < end; i++)
            {
                Cell cell = cells[i];
                AxisSum.Across(term, cell.Element, cell.Kept, cells.View.Inner, cell.Rows, cell.Width, sums);
                Store(cell, cell.Width, sums);
            }
        }

        private void Store(in Cell cell, int count, double* sums)
        {
            for (int j = 0; j < count; j++)
            {
                if (partial == null)
                {
                    target.Set(cell.Kept + j, sums[j]);
                }
                else
                {
                    partial[cell.Partial + j] = sums[j];
                }
            }
        }
    }

    private readonly struct PartialSumsJob(double* partial, nint parts, AxisView view, SumTarget target) : IJob
    {
        private readonly nint _perItem = Math.Max(1, ElementsPerItem / parts);

        public int Items => (int)((view.Kept + _perItem - 1) / _perItem);

        public void Run(int item)
        {
            nint end = Math.Min((item + 1) * _perItem, view.Kept);
            for (nint kept = item * _perItem; kept < end; kept++)
            {
                (nint outer, nint column) = Math.DivRem(kept, view.Inner);
                double* first = partial + (outer * parts * view.Inner) + column;
                double sum = 0;
                for (nint part = 0; part < parts; part++)
                {
                    sum += first[part * view.Inner];
                }

                target.Set(kept, sum);
            }
        }
    }
}
