using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void ScaleShift(in ScaleShiftOperation operation)
    {
        AxisView view = operation.View;
        RequireAxis(view, operation.X, operation.Scale);
        RequireAxis(view, operation.X, operation.Shift);
        float* x = StartOf(operation.X), y = StartOf(operation.Y);
        Run(new ScaleShiftJob(view, x, StartOf(operation.Scale), StartOf(operation.Shift), y), RangesOf(view));
    }

    internal override void ScaleShiftBackward(in ScaleShiftOperation operation, in ScaleShiftOperation gradients)
    {
        AxisView view = operation.View;
        AxisCells cells = new(view);
        float* x = StartOf(operation.X), scale = StartOf(operation.Scale), gy = StartOf(gradients.Y);
        bool hasScale = gradients.Scale.Exists, hasShift = gradients.Shift.Exists;
        SumTarget toScale = new(1, hasScale ? StartOf(gradients.Scale) : null, true);
        SumTarget toShift = new(1, hasShift ? StartOf(gradients.Shift) : null, true);
        using DeviceScope scope = Scope();
        double* scales = null, shifts = null;
        if (cells.Parts > 1)
        {
            int count = checked((int)(cells.Parts * view.Kept));
            scales = hasScale ? (double*)StartOf(Allocate([2, count])) : null;
            shifts = hasShift ? (double*)StartOf(Allocate([2, count])) : null;
        }

        Run(
            new ScaleShiftBackwardJob(
                new(new(x, scale, gy), cells, toScale, scales),
                new(new(gy), cells, toShift, shifts),
                cells,
                scale,
                gy,
                gradients.X.Exists ? StartOf(gradients.X) : null),
            cells.Items);
        AddPartialSums(scales, toScale);
        AddPartialSums(shifts, toShift);

        void AddPartialSums(double* partial, SumTarget target)
        {
            if (partial != null)
            {
                PartialSumsJob job = new(partial, cells.Parts, view, target);
                Run(job, job.Items);
            }
        }
    }

    private readonly struct ScaleShiftJob(AxisView view, float* x, float* scale, float* shift, float* y) : IJob
    {
        public void Run(int item)
        {
            (nint start, nint end) = RangeOf(view, item);
            Broadcast.ScaleShift(view, x, scale, shift, y, start, end);
        }
    }

    /// <summary>All three gradients, cell by cell, so that a cell comes from memory once and then from cache.</summary>
    private readonly struct ScaleShiftBackwardJob(
        AxisSumJob<AxisSum.Gradients<Elementwise.Multiply>> scales,
        AxisSumJob<AxisSum.Values> shifts,
        AxisCells cells,
        float* scale,
        float* gy,
        float* gx) : IJob
    {
        public void Run(int item)
        {
            (nint start, nint end) = cells.OfItem(item);
            for (nint i = start; i < end && gx != null; i++)
            {
                Cell cell = cells[i];
                if (cells.View.Inner == 1)
                {
                    Elementwise.AddScaled(gy + cell.Element, scale[cell.Kept], gx + cell.Element, cell.Rows);
                    continue;
                }

                for (nint row = 0; row < cell.Rows; row++)
                {
                    nint element = cell.Element + (row * cells.View.Inner);
                    RowMath.AddProduct(gy + element, scale + cell.Kept, gx + element, cell.Width);
                }
            }

            if (scales.IsWanted)
            {
                scales.Run(item);
            }

            if (shifts.IsWanted)
            {
                shifts.Run(item);
            }
        }
    }
}
