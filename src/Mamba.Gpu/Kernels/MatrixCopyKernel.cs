namespace Mamba.Gpu.Kernels;

/// <summary>Copies a batch of matrices to contiguous memory, in another precision.</summary>
/// <param name="plane">Rows and columns of the copy.</param>
/// <param name="source">The matrices.</param>
/// <param name="rows">Rows of a matrix.</param>
/// <param name="inner">Number of matrices in the inner batch.</param>
/// <param name="copy">The copy: the rows of all matrices, in order.</param>
internal readonly struct MatrixCopyKernel(Plane plane, GpuMatrix source, int rows, int inner, GpuRows copy) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            int index = (int)(row / rows);
            long start = source.Start(index / inner, index % inner);
            copy.StoreQuad(row, column, plane.Width, source.LoadQuad(start, row % rows, column, plane.Width));
        }
    }
}
