using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void FillUniform(DeviceArray y, NoiseStream noise) =>
        Run(new UniformJob(noise, StartOf(y), y.Shape.Count), ElementItems(y.Shape.Count));

    internal override void Dropout(in DropoutOperation dropout, DeviceArray x, DeviceArray y, bool accumulate)
    {
        RequireSameShape(x, y);
        nint count = x.Shape.Count;
        Run(new DropoutJob(dropout, StartOf(x), StartOf(y), count, accumulate), ElementItems(count));
    }

    private static int ElementItems(nint count) => (int)((count + ElementsPerItem - 1) / ElementsPerItem);

    private readonly struct UniformJob(NoiseStream noise, float* y, nint count) : IJob
    {
        public void Run(int item)
        {
            nint first = (nint)item * ElementsPerItem;
            Noise.Fill(noise, first, Math.Min(ElementsPerItem, count - first), y + first);
        }
    }

    private readonly struct DropoutJob(DropoutOperation dropout, float* x, float* y, nint count, bool accumulate) : IJob
    {
        private const int Length = 512; // elements of the mask, on the stack

        public void Run(int item)
        {
            float* mask = stackalloc float[Length];
            nint end = Math.Min(((nint)item + 1) * ElementsPerItem, count);
            for (nint first = (nint)item * ElementsPerItem; first < end; first += Length)
            {
                nint length = Math.Min(Length, end - first);
                Noise.Mask(dropout, first, length, mask);
                if (accumulate)
                {
                    Simd.Zip.RunBackward<Elementwise.Multiply>(x + first, mask, x + first, y + first, null, length);
                }
                else
                {
                    Simd.Zip.Run<Elementwise.Multiply>(x + first, mask, y + first, length);
                }
            }
        }
    }
}
