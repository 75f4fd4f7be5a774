using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Where the matrices of a batch of two levels stand in memory, in bytes.</summary>
internal readonly struct BatchAddresses(long first, long outerStride, long innerStride)
{
    public long Of(int outer, int inner) => first + (outer * outerStride) + (inner * innerStride);
}

/// <summary>
/// Lists the addresses of a batch's matrices, those of A, then of B, then of C, as cuBLAS takes them.
/// </summary>
internal readonly struct BatchPointersKernel(
    int count, int inner, BatchAddresses a, BatchAddresses b, BatchAddresses c, ArrayView<long> pointers) : IKernel
{
    public void Run()
    {
        int i = (int)Grid.GlobalLinearIndex;
        if (i < count)
        {
            int outer = i / inner, own = i - (outer * inner);
            pointers[i] = a.Of(outer, own);
            pointers[count + i] = b.Of(outer, own);
            pointers[(2 * count) + i] = c.Of(outer, own);
        }
    }
}
