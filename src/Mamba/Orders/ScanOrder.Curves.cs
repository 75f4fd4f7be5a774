namespace Mamba.Orders;

/// <content>Curves that fill space: what is near in the grid is near in time.</content>
public sealed partial class ScanOrder
{
    /// <summary>
    /// Visits a rectangle of any size along a generalised Hilbert curve; every step leads to a neighbour.
    /// </summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>The order; it begins at the top left and ends at another corner.</returns>
    /// <remarks>
    /// The curve that J. Červený published as gilbert, <see href="https://github.com/jakubcerveny/gilbert"/>. No
    /// such path runs along an odd longer side if the shorter one is even; the shorter side takes its part then.
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
    /// Visits a grid of any number of axes along the Hilbert curve of the next power of two; what lies outside of the
    /// grid is left out.
    /// </summary>
    /// <param name="sizes">The sizes of the axes.</param>
    /// <returns>The order. In a grid that is a cube of a power of two every step leads to a neighbour.</returns>
    /// <exception cref="ArgumentException">There are so many axes that a place has no number of 62 bits.</exception>
    /// <remarks>
    /// J. Skilling, Programming the Hilbert curve, AIP Conference Proceedings 707 (2004).
    /// </remarks>
    public static ScanOrder Hilbert(params ReadOnlySpan<int> sizes) => Curve(sizes, HilbertKey);

    /// <summary>Visits a grid of any number of axes in Morton order (Z-order), as octrees do.</summary>
    /// <param name="sizes">The sizes of the axes.</param>
    /// <returns>The order; in a 2×2 grid row by row.</returns>
    /// <exception cref="ArgumentException">There are so many axes that a place has no number of 62 bits.</exception>
    public static ScanOrder Morton(params ReadOnlySpan<int> sizes) => Curve(sizes, Interleave);

    /// <summary>Visits a grid by rising keys of the places.</summary>
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

    /// <summary>The bits of all axes in turn, highest first.</summary>
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
    /// How far along the curve a place is. At every level the sub-cube is turned and mirrored so that the curve inside
    /// it begins where the one before it ended; this undoes it, from the largest cube to the smallest.
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

        // The corners of a cube are visited in Gray code.
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
    /// Fills a rectangle from a corner on, to the far end of its side <paramref name="along"/>: a path of two such
    /// rectangles behind each other, or of three, up, along and down again.
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
            // An even first part ends on the side on which the second begins.
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
