using Mamba.Devices;

namespace Mamba.Benchmarks.Problems;

/// <summary>Elements of arrays on a device, as managed arrays.</summary>
internal static class Values
{
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
}
