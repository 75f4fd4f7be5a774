namespace Mamba.Memory;

/// <summary>One axis of a contiguous array, or a block of adjacent axes: [outer, count, inner].</summary>
/// <param name="Outer">Product of the axes before it.</param>
/// <param name="Count">Size of the axis, or product of the block's sizes.</param>
/// <param name="Inner">Product of the axes after it.</param>
internal readonly record struct AxisView(nint Outer, nint Count, nint Inner)
{
    /// <summary>Number of elements.</summary>
    public nint Length => Outer * Count * Inner;

    /// <summary>Number of elements without the axis, [outer, inner].</summary>
    public nint Kept => Outer * Inner;

    /// <summary>Views an axis.</summary>
    /// <param name="shape">The shape of the array.</param>
    /// <param name="axis">The axis, from 0.</param>
    public static AxisView Of(Shape shape, int axis) =>
        new(Product(shape, 0, axis), shape[axis], Product(shape, axis + 1, shape.Rank));

    /// <summary>
    /// Product of the axes from <paramref name="start"/> up to, not including, <paramref name="end"/>.
    /// </summary>
    public static nint Product(Shape shape, int start, int end)
    {
        nint product = 1;
        for (int axis = start; axis < end; axis++)
        {
            product *= shape[axis];
        }

        return product;
    }
}
