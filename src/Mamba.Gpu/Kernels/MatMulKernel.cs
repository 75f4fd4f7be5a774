using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>A kernel's view of a batch of matrices.</summary>
internal readonly struct GpuMatrix(GpuRows rows, bool transposed, long outerStride, long innerStride)
{
    private readonly GpuRows _rows = rows;
    private readonly int _transposed = transposed ? 1 : 0;
    private readonly long _outerStride = outerStride;
    private readonly long _innerStride = innerStride;

    /// <summary>Whether elements of a column are adjacent in memory.</summary>
    public bool IsTransposed => _transposed != 0;

    /// <summary>Offset of a matrix of the batch.</summary>
    public long Start(int outer, int inner) => (outer * _outerStride) + (inner * _innerStride);

    public float Load(long start, long row, long column) =>
        _transposed != 0 ? _rows.Load(column, start + row) : _rows.Load(row, start + column);

    /// <summary>
    /// Loads four adjacent elements of a matrix that is not transposed; zeros from <paramref name="width"/> on.
    /// </summary>
    public Quad LoadQuad(long start, long row, long column, long width) =>
        _rows.LoadQuad(row, start + column, start + width);

    public void Store(long start, long row, long column, float value) => _rows.Store(row, start + column, value);
}

/// <summary>
/// <c>C = op(A)·op(B)</c>, or added to C, for a batch; used without cuBLAS. A group computes a tile of C of 4·DimY rows
/// and 4·DimX columns, each thread 4 by 4 of them. Tiles of A and B are staged in shared memory.
/// </summary>
internal readonly struct MatMulKernel(
    GpuMatrix a, GpuMatrix b, GpuMatrix c, long m, long n, long k, int inner, bool accumulate) : IKernel
{
    /// <summary>Depth of the tiles of A and B.</summary>
    private const int Depth = 16;

    /// <summary>Rows or columns of the largest tile.</summary>
    private const int MaxTile = 64;

    private readonly int _accumulate = accumulate ? 1 : 0;

    public void Run()
    {
        ArrayView<float> tileA = SharedMemory.Allocate<float>(Depth * MaxTile);
        ArrayView<float> tileB = SharedMemory.Allocate<float>(Depth * MaxTile);
        int rows = 4 * Group.DimY, columns = 4 * Group.DimX;
        int tilesAcross = (int)((n + columns - 1) / columns), tilesDown = (int)((m + rows - 1) / rows);
        int tile = Grid.IdxX % (tilesAcross * tilesDown), index = Grid.IdxX / (tilesAcross * tilesDown);
        long firstRow = (long)(tile / tilesAcross) * rows, firstColumn = (long)(tile % tilesAcross) * columns;
        long startA = a.Start(index / inner, index % inner), startB = b.Start(index / inner, index % inner);

        Quad sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        for (long depth = 0; depth < k; depth += Depth)
        {
            Fetch(a, a.IsTransposed, startA, firstRow, rows, m, depth, tileA);
            FetchTransposed(b, b.IsTransposed, startB, firstColumn, columns, n, depth, tileB);
            Group.Barrier();
            ArrayView<Quad> quadsA = tileA.Cast<Quad>(), quadsB = tileB.Cast<Quad>();
            for (int i = 0; i < Depth; i++)
            {
                Quad left = quadsA[(i * Group.DimY) + Group.IdxY], right = quadsB[(i * Group.DimX) + Group.IdxX];
                sum0 += right * left.X;
                sum1 += right * left.Y;
                sum2 += right * left.Z;
                sum3 += right * left.W;
            }

            Group.Barrier();
        }

        long startC = c.Start(index / inner, index % inner);
        long row = firstRow + (4 * Group.IdxY), column = firstColumn + (4 * Group.IdxX);
        Put(startC, row, column, sum0);
        Put(startC, row + 1, column, sum1);
        Put(startC, row + 2, column, sum2);
        Put(startC, row + 3, column, sum3);
    }

    /// <summary>Loads a tile of A, stored by columns. Adjacent threads load adjacent memory.</summary>
    private void Fetch(
        GpuMatrix matrix, bool downwards, long start, long first, int count, long rows, long depth,
        ArrayView<float> tile)
    {
        for (int e = Group.LinearIndex; e < count * Depth; e += Group.Dimension.Size)
        {
            int row = downwards ? e % count : e / Depth, column = downwards ? e / count : e % Depth;
            bool inside = first + row < rows && depth + column < k;
            tile[(column * count) + row] = inside ? matrix.Load(start, first + row, depth + column) : 0f;
        }
    }

    /// <summary>Loads a tile of B, stored by rows. Adjacent threads load adjacent memory.</summary>
    private void FetchTransposed(
        GpuMatrix matrix, bool downwards, long start, long first, int count, long columns, long depth,
        ArrayView<float> tile)
    {
        for (int e = Group.LinearIndex; e < count * Depth; e += Group.Dimension.Size)
        {
            int column = downwards ? e / Depth : e % count, row = downwards ? e % Depth : e / count;
            bool inside = first + column < columns && depth + row < k;
            tile[(row * count) + column] = inside ? matrix.Load(start, depth + row, first + column) : 0f;
        }
    }

    private void Put(long start, long row, long column, Quad sum)
    {
        Put(start, row, column, sum.X);
        Put(start, row, column + 1, sum.Y);
        Put(start, row, column + 2, sum.Z);
        Put(start, row, column + 3, sum.W);
    }

    private void Put(long start, long row, long column, float sum)
    {
        if (row < m && column < n)
        {
            c.Store(start, row, column, _accumulate != 0 ? c.Load(start, row, column) + sum : sum);
        }
    }
}
