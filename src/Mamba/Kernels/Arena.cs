using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Lays out matrices in one block of scratch memory. With a null block, it measures the size only.</summary>
internal unsafe struct Arena(float* start)
{
    /// <summary>Number of floats laid out so far.</summary>
    public nint Used { get; private set; }

    /// <summary>
    /// A matrix whose rows and columns are rounded up to whole tiles of a <see cref="SmallProduct"/>.
    /// </summary>
    /// <remarks>
    /// The pitch is an odd number of cache lines: with an even one, a panel of columns would map to only some of a
    /// cache's sets.
    /// </remarks>
    public Rows Matrix(int rows, int columns)
    {
        nint pitch = ((SmallProduct.WholeColumns(columns) / SmallProduct.ColumnTile) | 1) * SmallProduct.ColumnTile;
        return new(Take(SmallProduct.WholeColumns(rows) * pitch), pitch);
    }

    /// <summary>A vector whose length is rounded up to whole registers.</summary>
    public float* Vector(int length) => Take(SmallProduct.WholeColumns(length));

    private float* Take(nint length)
    {
        float* taken = start + Used;
        Used += length;
        return taken;
    }
}
