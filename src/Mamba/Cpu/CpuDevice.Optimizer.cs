using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void AdamWUpdate(
        DeviceArray parameter, DeviceArray gradient, DeviceArray m, DeviceArray v, AdamWStep step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step.Step, 1);
        RequireSameShape(parameter, gradient);
        RequireSameShape(parameter, m);
        RequireSameShape(parameter, v);
        Blocks blocks = BlocksOf(parameter, gradient, m, v);
        Run(
            new AdamWJob(blocks, RowsOf(parameter), RowsOf(gradient), RowsOf(m), RowsOf(v), step),
            blocks.Count);
    }

    private readonly struct AdamWJob(Blocks blocks, Rows p, Rows g, Rows m, Rows v, AdamWStep step) : IJob
    {
        public void Run(int item)
        {
            (nint row, nint end, nint column, nint length) = blocks[item];
            for (; row < end; row++)
            {
                AdamW.Update(p[row] + column, g[row] + column, m[row] + column, v[row] + column, length, step);
            }
        }
    }
}
