using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Takes a range of entries of an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="start">The first entry.</param>
    /// <param name="length">Number of entries.</param>
    /// <returns>
    /// x with <paramref name="length"/> entries of the axis: a view if the axis is the last or all axes before it have
    /// size 1, otherwise a copy.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis, or the axis has no such entries.</exception>
    /// <example>
    /// Drops the first token:
    /// <code>
    /// DeviceArray later = Functions.Slice(x, 1, 1, x.Shape[1] - 1);
    /// </code>
    /// </example>
    public static DeviceArray Slice(DeviceArray x, int axis, int start, int length)
    {
        Require(x);
        int index = AxisOf(x, axis), size = x.Shape[index];
        if (start < 0 || length < 0 || start > size - length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(start),
                $"Expected entries of axis {index} of {x.Shape}, from 0 to {size - 1}; found {length} from {start} " +
                "on.");
        }

        if (index == x.Shape.Rank - 1)
        {
            return x.Slice(start, length);
        }

        AxisView view = AxisView.Of(x.Shape, index);
        DeviceArray rows = Contiguous(x).Reshape([checked((int)view.Outer), checked((int)(view.Count * view.Inner))]);
        DeviceArray part = rows.Slice(checked((int)(start * view.Inner)), checked((int)(length * view.Inner)));
        return Contiguous(part).Reshape(x.Shape.WithSize(index, length));
    }

    /// <summary>Splits an array along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="sizes">Entries of each part; they add up to the size of the axis.</param>
    /// <returns>The parts, in order; views or copies as in <see cref="Slice"/>.</returns>
    /// <exception cref="ArgumentException">The sizes do not add up to the axis.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis, or a size is negative.</exception>
    /// <example>
    /// <code>
    /// DeviceArray[] parts = Functions.Split(projected, -1, channels, channels, states);
    /// </code>
    /// </example>
    public static DeviceArray[] Split(DeviceArray x, int axis, params ReadOnlySpan<int> sizes)
    {
        Require(x);
        int index = AxisOf(x, axis), start = 0;
        long total = 0;
        foreach (int size in sizes)
        {
            total += size;
        }

        if (total != x.Shape[index])
        {
            throw new ArgumentException(
                $"Expected sizes that add up to axis {index} of {x.Shape}; found " +
                $"[{string.Join(", ", sizes.ToArray())}].",
                nameof(sizes));
        }

        DeviceArray[] parts = new DeviceArray[sizes.Length];
        for (int i = 0; i < parts.Length; start += sizes[i], i++)
        {
            parts[i] = Slice(x, index, start, sizes[i]);
        }

        return parts;
    }

    /// <summary>Concatenates arrays along an axis.</summary>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="arrays">At least one array; shapes differ only along the axis.</param>
    /// <returns>An array whose size along the axis is the sum of the arrays' sizes.</returns>
    /// <exception cref="ArgumentException">There are no arrays, or another axis differs.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The arrays have no such axis.</exception>
    /// <example>
    /// Puts a class token before every sequence:
    /// <code>
    /// DeviceArray tokens = Functions.Concat(1, Functions.Repeat(token.Reshape([1, 1, channels]), 0, batch), x);
    /// </code>
    /// </example>
    public static DeviceArray Concat(int axis, params ReadOnlySpan<DeviceArray> arrays)
    {
        Device device = RequireAll(arrays);
        int index = AxisOf(arrays[0], axis);
        DeviceArray[] parts = new DeviceArray[arrays.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            // The last axis is copied row by row, so slices fit; another axis is copied in contiguous blocks of rows.
            parts[i] = index == arrays[i].Shape.Rank - 1 ? arrays[i] : Contiguous(arrays[i]);
        }

        return Run(device, new JoinOperation { Parts = parts, Axis = index }).Y;
    }

    /// <summary>Stacks arrays of one shape along a new axis.</summary>
    /// <param name="axis">The index of the new axis; negative values count from the end, -1 makes it the last.</param>
    /// <param name="arrays">At least one array; all have one shape.</param>
    /// <returns>An array with one more axis; its size is the number of arrays.</returns>
    /// <exception cref="ArgumentException">
    /// There are no arrays, their shapes differ, or the result would have too many axes.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The result has no such axis.</exception>
    public static DeviceArray Stack(int axis, params ReadOnlySpan<DeviceArray> arrays)
    {
        Device device = RequireAll(arrays);
        Shape shape = arrays[0].Shape;
        if (axis < -shape.Rank - 1 || axis > shape.Rank)
        {
            throw new ArgumentOutOfRangeException(
                nameof(axis),
                axis,
                $"Expected a new axis beside those of {shape}, from {-shape.Rank - 1} to {shape.Rank}; found {axis}.");
        }

        int index = axis < 0 ? axis + shape.Rank + 1 : axis;
        int[] sizes = shape.ToArray();
        Shape one = Shape.Create([.. sizes[..index], 1, .. sizes[index..]]);
        DeviceArray[] parts = new DeviceArray[arrays.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = arrays[i].Shape == shape
                ? Contiguous(arrays[i]).Reshape(one)
                : throw new ArgumentException(
                    $"Expected arrays of one shape; found {shape} and {arrays[i].Shape}.", nameof(arrays));
        }

        return Run(device, new JoinOperation { Parts = parts, Axis = index }).Y;
    }

    /// <summary>Pads an axis with zeros.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="before">Number of zeros before the first entry.</param>
    /// <param name="after">Number of zeros after the last entry.</param>
    /// <returns>x with a longer axis.</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis, or a number is negative.</exception>
    public static DeviceArray Pad(DeviceArray x, int axis, int before, int after)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        ArgumentOutOfRangeException.ThrowIfNegative(before);
        ArgumentOutOfRangeException.ThrowIfNegative(after);
        return Concat(index, Zeros(before), x, Zeros(after));

        DeviceArray Zeros(int size)
        {
            DeviceArray zeros = device.AllocateOutput(x.Shape.WithSize(index, size), x.Precision);
            device.Fill(zeros, 0f);
            return zeros;
        }
    }

    /// <summary>Reverses the order of an axis.</summary>
    /// <param name="x">The input, such as [batch, length, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <returns>An array of the same shape.</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    public static DeviceArray Flip(DeviceArray x, int axis)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        AxisView view = AxisView.Of(x.Shape, index);
        if (view.Inner == 1 && view.Outer > 1)
        {
            // Gathering rows is fast, gathering single numbers is not.
            DeviceArray columns = Contiguous(x).Reshape([checked((int)view.Outer), (int)view.Count]);
            return SwapAxes(Flip(SwapAxes(columns, 0, 1), 0), 0, 1).Reshape(x.Shape);
        }

        int[] order = new int[view.Count];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = order.Length - 1 - i;
        }

        Shape rows = [checked((int)view.Outer), order.Length, checked((int)view.Inner)];
        return GatherRows(Contiguous(x).Reshape(rows), device.Indices(order), rows[0], rows).Reshape(x.Shape);
    }

    /// <summary>Tiles an array along an axis: the whole axis repeats.</summary>
    /// <param name="x">The input, such as [1, 1, channels].</param>
    /// <param name="axis">The axis; negative values count from the end, -1 is the last.</param>
    /// <param name="count">Number of repetitions.</param>
    /// <returns>x with the axis <paramref name="count"/> times as long.</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis, or the count is negative.</exception>
    public static DeviceArray Repeat(DeviceArray x, int axis, int count)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        AxisView view = AxisView.Of(x.Shape, index);
        return Run(
            device,
            new RepeatAxisOperation
            {
                X = Contiguous(x),
                View = new(view.Outer, count, view.Count * view.Inner),
                Shape = x.Shape.WithSize(index, checked(x.Shape[index] * count)),
            }).Y;
    }

    private static Device RequireAll(ReadOnlySpan<DeviceArray> arrays)
    {
        foreach (DeviceArray array in arrays)
        {
            Require(array, nameof(arrays));
        }

        return arrays.IsEmpty
            ? throw new ArgumentException("Expected at least one array; found none.", nameof(arrays))
            : arrays[0].Device;
    }
}
