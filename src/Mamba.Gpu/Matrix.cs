using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>A batch of matrices in an array, at constant strides.</summary>
/// <param name="Array">The array that holds them; its own shape does not matter.</param>
/// <param name="Offset">The first element of the first matrix, relative to the array's first element.</param>
/// <param name="Pitch">Elements from one row to the next.</param>
/// <param name="OuterStride">Elements from one matrix of the outer batch to the next.</param>
/// <param name="InnerStride">Elements from one matrix of the inner batch to the next.</param>
internal readonly record struct Matrix(
    DeviceArray Array, long Offset, long Pitch, long OuterStride = 0, long InnerStride = 0)
{
    /// <summary>One matrix, the rows of an array.</summary>
    public static Matrix Of(DeviceArray array) => new(array, 0, array.Pitch);
}

/// <summary>
/// Sizes of a batch of products <c>C = op(A)·op(B)</c>: outer·inner products, each of [m, k] by [k, n].
/// </summary>
internal readonly record struct ProductSizes(long M, long N, long K, int Outer = 1, int Inner = 1);
