using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A thread's four columns of four rows.</summary>
internal struct QuadRows
{
    public Quad A;
    public Quad B;
    public Quad C;
    public Quad D;

    /// <summary>Adds <paramref name="row"/> to each of the four rows, times its own factor.</summary>
    public void Add(Quad row, Quad factors)
    {
        A += row * factors.X;
        B += row * factors.Y;
        C += row * factors.Z;
        D += row * factors.W;
    }

    public void Scale(Quad factors)
    {
        A *= factors.X;
        B *= factors.Y;
        C *= factors.Z;
        D *= factors.W;
    }

    /// <summary>Sums over the threads with the same x, which share columns. All threads of a group must call.</summary>
    public void SumColumns()
    {
        ArrayView<Quad> shared = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        A = ColumnSum.Sum(A, shared);
        B = ColumnSum.Sum(B, shared);
        C = ColumnSum.Sum(C, shared);
        D = ColumnSum.Sum(D, shared);
    }
}
