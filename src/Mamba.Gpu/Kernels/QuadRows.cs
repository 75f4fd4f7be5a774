using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Four rows' columns of a thread.</summary>
internal struct QuadRows
{
    public Quad A;
    public Quad B;
    public Quad C;
    public Quad D;

    /// <summary>Adds a row to each, by a factor each.</summary>
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

    /// <summary>The sums over the threads that share columns, those of one x; all threads of the group call.</summary>
    public void SumColumns()
    {
        ArrayView<Quad> shared = SharedMemory.Allocate<Quad>(GroupSum.MaxThreads);
        A = ColumnSum.Sum(A, shared);
        B = ColumnSum.Sum(B, shared);
        C = ColumnSum.Sum(C, shared);
        D = ColumnSum.Sum(D, shared);
    }
}
