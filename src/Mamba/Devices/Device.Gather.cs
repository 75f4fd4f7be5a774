using Mamba.Memory;

namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>
    /// Computes <c>y[b, i] = x[b, indices[i]]</c> for each row; an index of -1 gives zeros. The rows of x and y split
    /// into <paramref name="batch"/> equal parts, all gathered by the same indices. It can add to y, which is then
    /// float32, like gradients.
    /// </summary>
    internal abstract void GatherRows(
        DeviceArray x, IndexArray indices, int batch, DeviceArray y, bool accumulate = false);

    /// <summary>Computes <c>gx[b, indices[i]] += gy[b, i]</c>, in the order of i.</summary>
    internal abstract void GatherRowsBackward(IndexArray indices, int batch, DeviceArray gy, DeviceArray gx);

    /// <summary>Throws unless rows of <paramref name="from"/> can be gathered into <paramref name="to"/>.</summary>
    private protected static void RequireGatherable(DeviceArray from, IndexArray indices, int batch, DeviceArray to)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        nint rows = from.Shape.Rows / batch;
        if (rows * batch != from.Shape.Rows)
        {
            throw new ArgumentException($"The rows of {from.Shape} cannot be split over a batch of {batch}.");
        }

        if (to.Shape.Rows != (nint)indices.Length * batch || to.Shape.Width != from.Shape.Width)
        {
            throw new ArgumentException(
                $"Expected {(nint)indices.Length * batch} rows of {from.Shape.Width} ({indices.Length} indices, " +
                $"batch {batch}); found {to.Shape}.");
        }

        RequireIndices(indices, rows);
    }

    /// <summary>Throws unless every index is a row or -1.</summary>
    internal static void RequireIndices(IndexArray indices, nint rows)
    {
        if (indices.Minimum < -1 || indices.Maximum >= rows)
        {
            int wrong = indices.Minimum < -1 ? indices.Minimum : indices.Maximum;
            throw new ArgumentOutOfRangeException(
                nameof(indices), wrong, $"Expected indices 0 to {rows - 1}, or -1 for none; found {wrong}.");
        }
    }
}
