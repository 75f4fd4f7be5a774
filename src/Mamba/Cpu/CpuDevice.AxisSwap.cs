using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void SwapAxes(DeviceArray x, in SwapView view, DeviceArray y, bool accumulate)
    {
        RequireSwap(view, x, y);
        float* from = StartOf(x), to = StartOf(y);
        if (view.Inner == 1)
        {
            TilesJob job = new(from, view, to, accumulate);
            Run(job, job.Items);
        }
        else
        {
            SwapRowsJob job = new(from, view, to, accumulate);
            Run(job, job.Items);
        }
    }

    /// <summary>Transposes matrices tile by tile. An item is a run of tiles and may span matrices.</summary>
    private readonly struct TilesJob(float* x, SwapView view, float* y, bool accumulate) : IJob
    {
        private const int PerItem = ElementsPerItem / (AxisSwap.TileSize * AxisSwap.TileSize);

        public int Items => view.Length == 0 ? 0 : (int)((Tiles + PerItem - 1) / PerItem);

        private nint Across => (view.Second + AxisSwap.TileSize - 1) / AxisSwap.TileSize;

        private nint Down => (view.First + AxisSwap.TileSize - 1) / AxisSwap.TileSize;

        private nint Tiles => view.Outer * Across * Down;

        public void Run(int item)
        {
            nint end = Math.Min((nint)(item + 1) * PerItem, Tiles);
            for (nint tile = (nint)item * PerItem; tile < end; tile++)
            {
                (nint band, nint i) = Math.DivRem(tile, Down);
                (nint outer, nint j) = Math.DivRem(band, Across);
                nint row = i * AxisSwap.TileSize, column = j * AxisSwap.TileSize;
                nint matrix = outer * view.First * view.Second;
                AxisSwap.Tile(
                    new(x + matrix + (row * view.Second) + column, view.Second),
                    (int)Math.Min(AxisSwap.TileSize, view.First - row),
                    (int)Math.Min(AxisSwap.TileSize, view.Second - column),
                    new(y + matrix + (column * view.First) + row, view.First),
                    accumulate);
            }
        }
    }

    /// <summary>Copies rows. An item is a run of j, counted through all o.</summary>
    private readonly struct SwapRowsJob(float* x, SwapView view, float* y, bool accumulate) : IJob
    {
        private readonly nint _perItem = Math.Max(1, ElementsPerItem / Math.Max(view.First * view.Inner, 1));

        public int Items => view.Length == 0 ? 0 : (int)(((view.Outer * view.Second) + _perItem - 1) / _perItem);

        public void Run(int item)
        {
            nint end = Math.Min((item + 1) * _perItem, view.Outer * view.Second);
            for (nint j = item * _perItem; j < end;)
            {
                (nint outer, nint first) = Math.DivRem(j, view.Second);
                nint last = Math.Min(view.Second, first + end - j);
                nint matrix = outer * view.First * view.Second * view.Inner;
                AxisSwap.Copy(
                    x + matrix, view.First, view.Second, view.Inner, first, last, y + matrix, accumulate);
                j += last - first;
            }
        }
    }
}
