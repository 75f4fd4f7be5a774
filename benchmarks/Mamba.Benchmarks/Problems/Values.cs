using Mamba.Memory;

namespace Mamba.Benchmarks.Problems;

/// <summary>Elements of arrays on a device, as managed arrays.</summary>
internal static class Values
{
    /// <summary>The largest rounding error, relative to the largest value.</summary>
    private const double Tolerance = 1e-4;

    public static float[] Of(DeviceArray array)
    {
        float[] values = new float[array.Shape.Count];
        array.CopyTo(values);
        return values;
    }

    /// <summary>The elements of a matrix, column by column.</summary>
    public static float[] Transposed(DeviceArray array)
    {
        (int rows, int columns) = (array.Shape[0], array.Shape.Width);
        float[] values = Of(array), transposed = new float[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, columns);
            transposed[(column * rows) + row] = values[i];
        }

        return transposed;
    }

    /// <summary>Compares the results of two implementations, so that both do the same work.</summary>
    /// <exception cref="InvalidOperationException">The results differ by more than rounding errors.</exception>
    public static void RequireClose(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(actual.Length, expected.Length);
        double error = 0, largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            error = Math.Max(error, Math.Abs(actual[i] - expected[i]));
            largest = Math.Max(largest, Math.Abs(expected[i]));
        }

        if (!(error <= Tolerance * largest))
        {
            throw new InvalidOperationException(
                $"Expected values within {Tolerance} of the largest, {largest}; found an error of {error}.");
        }
    }
}
