using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, in AxisView view, DeviceArray y)
    {
        RequireAxis(view, a, b);
        RequireSameShape(a, y);
        Run(new BroadcastJob<TOp>(view, StartOf(a), StartOf(b), StartOf(y)), RangesOf(view));
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, in AxisView view, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        RequireAxis(view, a, b);
        RequireSameShape(a, gy);
        float* left = StartOf(a), right = StartOf(b), from = StartOf(gy);
        if (ga.Exists)
        {
            Run(new BroadcastBackwardJob<TOp>(view, left, right, from, StartOf(ga)), RangesOf(view));
        }

        if (gb.Exists)
        {
            SumAxis(new AxisSum.Gradients<TOp>(left, right, from), view, 1, StartOf(gb), accumulate: true);
        }
    }

    internal override void RepeatAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, y, x);
        Run(new RepeatJob(view, StartOf(x), (float)scale, StartOf(y), accumulate), RangesOf(view));
    }

    /// <summary>Number of pieces of <see cref="ElementsPerItem"/> elements in a view.</summary>
    private static int RangesOf(in AxisView view) =>
        (int)((view.Length + ElementsPerItem - 1) / ElementsPerItem);

    /// <summary>The elements of a piece.</summary>
    private static (nint Start, nint End) RangeOf(in AxisView view, int item)
    {
        nint start = (nint)item * ElementsPerItem;
        return (start, Math.Min(start + ElementsPerItem, view.Length));
    }

    private readonly struct BroadcastJob<TOp>(AxisView view, float* a, float* b, float* y) : IJob
        where TOp : struct, IZip
    {
        public void Run(int item)
        {
            (nint start, nint end) = RangeOf(view, item);
            Broadcast.Forward<TOp>(view, a, b, y, start, end);
        }
    }

    private readonly struct BroadcastBackwardJob<TOp>(AxisView view, float* a, float* b, float* gy, float* ga) : IJob
        where TOp : struct, IZip
    {
        public void Run(int item)
        {
            (nint start, nint end) = RangeOf(view, item);
            Broadcast.Backward<TOp>(view, a, b, gy, ga, start, end);
        }
    }

    private readonly struct RepeatJob(AxisView view, float* x, float scale, float* y, bool accumulate) : IJob
    {
        public void Run(int item)
        {
            (nint start, nint end) = RangeOf(view, item);
            if (accumulate)
            {
                Broadcast.AddRepeated(view, x, scale, y, start, end);
            }
            else
            {
                Broadcast.Repeat(view, x, scale, y, start, end);
            }
        }
    }
}
