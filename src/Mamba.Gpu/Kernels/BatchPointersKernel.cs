using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Addresses of the matrices of a two-level batch; strides in bytes.</summary>
internal readonly struct BatchAddresses(long first, long outerStride, long innerStride)
{
    public long Of(int outer, int inner) => first + (outer * outerStride) + (inner * innerStride);
}

/// <summary>
/// Writes the addresses of a batch's matrices for cuBLAS: first all of A, then all of B, then all of C.
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
