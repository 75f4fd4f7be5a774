namespace Mamba.Gpu.Kernels;

/// <summary><c>y[i, j] = row[j]</c></summary>
internal readonly struct BroadcastKernel(Plane plane, GpuRows row, GpuRows y) : IKernel
{
    public void Run()
    {
        long i = plane.Row, column = plane.Column;
        if (plane.Contains(i, column))
        {
            y.StoreQuad(i, column, plane.Width, row.LoadQuad(0, column, plane.Width));
        }
    }
}
