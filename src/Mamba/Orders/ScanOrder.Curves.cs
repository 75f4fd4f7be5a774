namespace Mamba.Orders;

/// <content>Space-filling curves: neighbours in the grid are close in time.</content>
public sealed partial class ScanOrder
{
    /// <summary>
    /// Visits a rectangle of any size along a generalised Hilbert curve. Consecutive steps are grid neighbours.
    /// </summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>The order; it starts at the top left and ends at another corner.</returns>
    /// <remarks>
    /// The curve gilbert by J. Červený, <see href="https://github.com/jakubcerveny/gilbert"/>. It runs along the longer
    /// side. If that is odd and the shorter side is even, no such path exists, and the curve runs along the shorter
    /// side.
    /// </remarks>
    public static ScanOrder Gilbert(int height, int width)
    {
        Grid grid = new(height, width);
        (int Row, int Column) down = (height, 0), right = (0, width);
        bool alongRows = width >= height ? width % 2 == 0 || height % 2 == 1 : height % 2 == 1 && width % 2 == 0;
        if (alongRows)
        {
            FillGilbert(grid, (0, 0), right, down);
        }
        else
        {
            FillGilbert(grid, (0, 0), down, right);
        }

        return grid.ToOrder();
    }

    /// <summary>
    /// Visits a grid of any rank along the Hilbert curve of the enclosing power-of-two cube, and skips places outside
    /// the grid.
    /// </summary>
    /// <param name="sizes">The sizes of the axes.</param>
    /// <returns>The order. Consecutive steps are neighbours if the grid is a cube with a power-of-two side.</returns>
    /// <exception cref="ArgumentException">There are so many axes that the key of a place exceeds 62 bits.</exception>
    /// <remarks>
    /// J. Skilling, Programming the Hilbert curve, AIP Conference Proceedings 707 (2004).
    /// </remarks>
    public static ScanOrder Hilbert(params ReadOnlySpan<int> sizes) => Curve(sizes, HilbertKey);

    /// <summary>Visits a grid of any rank in Morton order (Z-order), as octrees do.</summary>
    /// <param name="sizes">The sizes of the axes.</param>
    /// <returns>The order; a 2×2 grid is visited row by row.</returns>
    /// <exception cref="ArgumentException">There are so many axes that the key of a place exceeds 62 bits.</exception>
    public static ScanOrder Morton(params ReadOnlySpan<int> sizes) => Curve(sizes, Interleave);

    /// <summary>Visits a grid by ascending keys of its places.</summary>
    private static ScanOrder Curve(ReadOnlySpan<int> sizes, Func<int[], int, long> keyOf)
    {
        int count = GridOf(sizes), bits = 1;
        foreach (int size in sizes)
        {
            bits = Math.Max(bits, 32 - int.LeadingZeroCount(size - 1));
        }

        if (sizes.Length * bits > 62)
        {
            throw new ArgumentException(
                $"Expected places of at most 62 bits; found {sizes.Length} axes of {bits} bits.", nameof(sizes));
        }

        long[] keys = new long[count];
        int[] place = new int[sizes.Length], scratch = new int[sizes.Length];
        for (int i = 0; i < count; i++)
        {
            place.CopyTo(scratch, 0);
            keys[i] = keyOf(scratch, bits);
            for (int axis = sizes.Length - 1; axis >= 0 && ++place[axis] == sizes[axis]; axis--)
            {
                place[axis] = 0;
            }
        }

        return By<long>(keys);
    }

    /// <summary>Interleaves the bits of all axes, highest bits first.</summary>
    private static long Interleave(int[] place, int bits)
    {
        long key = 0;
        for (int bit = bits - 1; bit >= 0; bit--)
        {
            foreach (int along in place)
            {
                key = (key << 1) | (uint)((along >> bit) & 1);
            }
        }

        return key;
    }

    /// <summary>
    /// Position of a place along the curve. Each level rotates and mirrors its sub-cubes so that consecutive parts
    /// connect; the loop undoes this from the largest cube to the smallest.
    /// </summary>
    private static long HilbertKey(int[] place, int bits)
    {
        for (int half = 1 << (bits - 1); half > 1; half >>= 1)
        {
            int below = half - 1;
            for (int axis = 0; axis < place.Length; axis++)
            {
                if ((place[axis] & half) != 0)
                {
                    place[0] ^= below;
                }
                else
                {
                    int swapped = (place[0] ^ place[axis]) & below;
                    place[0] ^= swapped;
                    place[axis] ^= swapped;
                }
            }
        }

        // A cube's corners are visited in Gray code order.
        for (int axis = 1; axis < place.Length; axis++)
        {
            place[axis] ^= place[axis - 1];
        }

        int mirrored = 0, last = place.Length > 0 ? place[^1] : 0;
        for (int half = 1 << (bits - 1); half > 1; half >>= 1)
        {
            mirrored ^= (last & half) != 0 ? half - 1 : 0;
        }

        for (int axis = 0; axis < place.Length; axis++)
        {
            place[axis] ^= mirrored;
        }

        return Interleave(place, bits);
    }

    /// <summary>
    /// Fills a rectangle from a corner to the far end of its side <paramref name="along"/>. It splits the rectangle
    /// into two consecutive parts, or into three: up, along and down again.
    /// </summary>
    private static void FillGilbert(
        Grid grid, (int Row, int Column) corner, (int Row, int Column) along, (int Row, int Column) across)
    {
        int length = LengthOf(along), depth = LengthOf(across);
        if (length == 1 || depth == 1)
        {
            (int Row, int Column) step = UnitOf(depth == 1 ? along : across);
            for (int i = 0; i < length * depth; i++)
            {
                grid.Visit(corner.Row + (i * step.Row), corner.Column + (i * step.Column));
            }

            return;
        }

        if (2 * length > 3 * depth)
        {
            // An even first part ends on the side where the second begins.
            (int Row, int Column) first = Times(UnitOf(along), EvenHalf(length));
            FillGilbert(grid, corner, first, across);
            FillGilbert(grid, Plus(corner, first), Plus(along, Times(first, -1)), across);
            return;
        }

        (int Row, int Column) up = Times(UnitOf(across), EvenHalf(depth));
        (int Row, int Column) half = Times(UnitOf(along), length / 2);
        (int Row, int Column) end = Plus(Plus(corner, Plus(along, Times(UnitOf(along), -1))),
            Plus(up, Times(UnitOf(across), -1)));
        FillGilbert(grid, corner, up, half);
        FillGilbert(grid, Plus(corner, up), along, Plus(across, Times(up, -1)));
        FillGilbert(grid, end, Times(up, -1), Plus(half, Times(along, -1)));

        static int EvenHalf(int size) => size > 2 ? (size / 2) + (size / 2 % 2) : size / 2;
        static int LengthOf((int Row, int Column) side) => Math.Abs(side.Row + side.Column);
        static (int Row, int Column) UnitOf((int Row, int Column) side) =>
            (Math.Sign(side.Row), Math.Sign(side.Column));
        static (int Row, int Column) Times((int Row, int Column) side, int factor) =>
            (factor * side.Row, factor * side.Column);
        static (int Row, int Column) Plus((int Row, int Column) a, (int Row, int Column) b) =>
            (a.Row + b.Row, a.Column + b.Column);
    }
}
