using Mamba.Memory;

namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>
    /// Computes <c>C = op(A)·op(B)</c>, or adds it to C; op is an optional transpose. Leading axes count as rows.
    /// </summary>
    /// <param name="a">A, [M, K]; [K, M] if transposed.</param>
    /// <param name="transposeA">Whether A is transposed.</param>
    /// <param name="b">B, [K, N]; [N, K] if transposed.</param>
    /// <param name="transposeB">Whether B is transposed.</param>
    /// <param name="c">C, [M, N]; must not overlap A or B.</param>
    /// <param name="accumulate">Whether to add to C.</param>
    internal abstract void MatMul(
        DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c, bool accumulate);

    /// <summary>The sizes of a matrix product.</summary>
    /// <exception cref="ArgumentException">The sizes of the matrices do not match.</exception>
    private protected static (nint M, nint N, nint K) MatMulSizes(
        DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c)
    {
        (nint m, nint k) = transposeA ? ((nint)a.Shape.Width, a.Shape.Rows) : (a.Shape.Rows, a.Shape.Width);
        (nint depth, nint n) = transposeB ? ((nint)b.Shape.Width, b.Shape.Rows) : (b.Shape.Rows, b.Shape.Width);
        if (depth != k)
        {
            string left = transposeA ? $"{a.Shape} transposed" : $"{a.Shape}";
            string right = transposeB ? $"{b.Shape} transposed" : $"{b.Shape}";
            throw new ArgumentException(
                $"Expected as many rows of B as columns of A; found {depth} and {k}, A of {left} and B of {right}.");
        }

        if (c.Shape.Rows != m || c.Shape.Width != n)
        {
            throw new ArgumentException($"Expected [{m}, {n}] for the product; found {c.Shape}.");
        }

        return (m, n, k);
    }
}
