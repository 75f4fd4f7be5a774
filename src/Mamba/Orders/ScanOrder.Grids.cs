namespace Mamba.Orders;

/// <content>Orders of grids: lines, diagonals, spirals and blocks.</content>
public sealed partial class ScanOrder
{
    /// <summary>Visits row by row, each from left to right: row-major order.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is not positive. All orders of grids throw this.
    /// </exception>
    public static ScanOrder Rows(int height, int width) => Axes([height, width], [0, 1]);

    /// <summary>Visits column by column, each from top to bottom: column-major order.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>The order.</returns>
    /// <remarks>
    /// Together with <see cref="Rows"/> and the reverse of both it forms the cross-scan of VMamba: Liu et al.,
    /// <see href="https://arxiv.org/abs/2401.10166"/>, section 4.2.
    /// </remarks>
    public static ScanOrder Columns(int height, int width) => Axes([height, width], [1, 0]);

    /// <summary>Visits a grid of any rank with nested loops.</summary>
    /// <param name="sizes">The sizes of the axes; the last axis is contiguous in memory.</param>
    /// <param name="nesting">The axes from the outermost loop to the innermost.</param>
    /// <param name="flips">
    /// For each axis of <paramref name="sizes"/>, whether it runs backwards; empty for none.
    /// </param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentException">
    /// The nesting is not a permutation of the axes, or the numbers of entries differ.
    /// </exception>
    /// <example>
    /// The frames of a video, with time as the innermost loop:
    /// <code>
    /// ScanOrder byPixel = ScanOrder.Axes([frames, height, width], [1, 2, 0]);
    /// </code>
    /// </example>
    public static ScanOrder Axes(
        ReadOnlySpan<int> sizes, ReadOnlySpan<int> nesting, ReadOnlySpan<bool> flips = default)
    {
        int count = GridOf(sizes);
        RequireAxes(sizes, nesting, flips);
        int[] strides = new int[sizes.Length], place = new int[sizes.Length], positions = new int[count];
        for (int axis = sizes.Length - 1, stride = 1; axis >= 0; stride *= sizes[axis--])
        {
            strides[axis] = stride;
        }

        for (int t = 0; t < count; t++)
        {
            int position = 0;
            for (int axis = 0; axis < sizes.Length; axis++)
            {
                bool flipped = !flips.IsEmpty && flips[axis];
                position += strides[axis] * (flipped ? sizes[axis] - 1 - place[axis] : place[axis]);
            }

            positions[t] = position;
            for (int loop = nesting.Length - 1; loop >= 0 && ++place[nesting[loop]] == sizes[nesting[loop]]; loop--)
            {
                place[nesting[loop]] = 0;
            }
        }

        return new(positions, count, samples: 1);
    }

    /// <summary>
    /// Visits lines in alternating directions (boustrophedon). Consecutive steps are grid neighbours.
    /// </summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="corner">The corner where the order starts.</param>
    /// <param name="byColumns">Whether the lines are columns.</param>
    /// <returns>The order.</returns>
    /// <remarks>
    /// The four corners, each by rows and by columns, are the eight schemes of ZigMa: Hu et al.,
    /// <see href="https://arxiv.org/abs/2403.13802"/>, section 3.2.
    /// </remarks>
    public static ScanOrder Snake(
        int height, int width, GridCorner corner = GridCorner.TopLeft, bool byColumns = false)
    {
        Grid grid = new(height, width, corner);
        (int lines, int length) = byColumns ? (width, height) : (height, width);
        for (int line = 0; line < lines; line++)
        {
            for (int i = 0; i < length; i++)
            {
                int along = line % 2 == 0 ? i : length - 1 - i;
                grid.Visit(byColumns ? along : line, byColumns ? line : along);
            }
        }

        return grid.ToOrder();
    }

    /// <summary>Visits diagonals from a corner, all in the same direction.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="corner">The corner where the order starts.</param>
    /// <returns>The order; from the top left: (0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0), …</returns>
    public static ScanOrder Diagonal(int height, int width, GridCorner corner = GridCorner.TopLeft) =>
        Diagonals(height, width, corner, _ => true);

    /// <summary>Visits diagonals from a corner in alternating directions, as JPEG does.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="corner">The corner where the order starts.</param>
    /// <param name="byColumns">Whether the first step goes along a column.</param>
    /// <returns>The order; from the top left: (0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), …</returns>
    public static ScanOrder Zigzag(
        int height, int width, GridCorner corner = GridCorner.TopLeft, bool byColumns = false) =>
        Diagonals(height, width, corner, diagonal => diagonal % 2 == 0 == byColumns);

    /// <summary>Visits the grid in a spiral from the border inwards, clockwise. Reversed, it runs outwards.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="corner">
    /// The corner where the order starts; from the top right and the bottom left it runs counter-clockwise.
    /// </param>
    /// <returns>The order.</returns>
    public static ScanOrder Spiral(int height, int width, GridCorner corner = GridCorner.TopLeft)
    {
        Grid grid = new(height, width, corner);
        for (int top = 0, left = 0, bottom = height - 1, right = width - 1; top <= bottom && left <= right;
            top++, left++, bottom--, right--)
        {
            for (int column = left; column <= right; column++)
            {
                grid.Visit(top, column);
            }

            for (int row = top + 1; row <= bottom; row++)
            {
                grid.Visit(row, right);
            }

            for (int column = right - 1; column >= left && bottom > top; column--)
            {
                grid.Visit(bottom, column);
            }

            for (int row = bottom - 1; row > top && right > left; row--)
            {
                grid.Visit(row, left);
            }
        }

        return grid.ToOrder();
    }

    /// <summary>Visits window by window, each window row by row. The last windows of an axis may be smaller.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="windowHeight">Rows of a window.</param>
    /// <param name="windowWidth">Columns of a window.</param>
    /// <returns>The order.</returns>
    /// <remarks>
    /// The local scan of LocalMamba: Huang et al., <see href="https://arxiv.org/abs/2403.09338"/>, section 3.2.
    /// </remarks>
    public static ScanOrder Windows(int height, int width, int windowHeight, int windowWidth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(windowHeight);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(windowWidth);
        Grid grid = new(height, width);
        for (int top = 0; top < height; top += windowHeight)
        {
            for (int left = 0; left < width; left += windowWidth)
            {
                for (int row = top; row < Math.Min(top + windowHeight, height); row++)
                {
                    for (int column = left; column < Math.Min(left + windowWidth, width); column++)
                    {
                        grid.Visit(row, column);
                    }
                }
            }
        }

        return grid.ToOrder();
    }

    /// <summary>Visits every step-th token of every step-th row, then the tokens next to those, and so on.</summary>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <param name="step">Grid distance between consecutive tokens.</param>
    /// <returns>The order.</returns>
    /// <remarks>
    /// The atrous scan of EfficientVMamba: Pei et al., <see href="https://arxiv.org/abs/2403.09977"/>, section 3.2.
    /// </remarks>
    public static ScanOrder Atrous(int height, int width, int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(step);
        Grid grid = new(height, width);
        for (int top = 0; top < Math.Min(step, height); top++)
        {
            for (int left = 0; left < Math.Min(step, width); left++)
            {
                for (int row = top; row < height; row += step)
                {
                    for (int column = left; column < width; column += step)
                    {
                        grid.Visit(row, column);
                    }
                }
            }
        }

        return grid.ToOrder();
    }

    private static ScanOrder Diagonals(int height, int width, GridCorner corner, Func<int, bool> isDownwards)
    {
        Grid grid = new(height, width, corner);
        for (int diagonal = 0; diagonal < height + width - 1; diagonal++)
        {
            int top = Math.Max(0, diagonal - width + 1), bottom = Math.Min(height - 1, diagonal);
            for (int i = 0; i <= bottom - top; i++)
            {
                int row = isDownwards(diagonal) ? top + i : bottom - i;
                grid.Visit(row, diagonal - row);
            }
        }

        return grid.ToOrder();
    }

    /// <summary>Number of tokens of a grid.</summary>
    private static int GridOf(ReadOnlySpan<int> sizes)
    {
        long count = 1;
        foreach (int size in sizes)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size, nameof(sizes));
            count *= size;
            if (count > Array.MaxLength)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(sizes), $"Expected a grid of at most {Array.MaxLength} tokens; found more.");
            }
        }

        return (int)count;
    }

    private static void RequireAxes(ReadOnlySpan<int> sizes, ReadOnlySpan<int> nesting, ReadOnlySpan<bool> flips)
    {
        int[] axes = nesting.ToArray();
        Array.Sort(axes);
        if (!axes.AsSpan().SequenceEqual([.. Enumerable.Range(0, sizes.Length)]))
        {
            throw new ArgumentException(
                $"Expected axes 0 to {sizes.Length - 1}, each once; found [{string.Join(", ", nesting.ToArray())}].",
                nameof(nesting));
        }

        if (!flips.IsEmpty && flips.Length != sizes.Length)
        {
            throw new ArgumentException($"Expected {sizes.Length} flips; found {flips.Length}.", nameof(flips));
        }
    }

    /// <summary>Collects the tokens of a 2-D grid, with rows and columns counted from a corner.</summary>
    private sealed class Grid(int height, int width, GridCorner corner = GridCorner.TopLeft)
    {
        private readonly bool _fromBottom = corner switch
        {
            GridCorner.TopLeft or GridCorner.TopRight => false,
            GridCorner.BottomLeft or GridCorner.BottomRight => true,
            _ => throw new ArgumentOutOfRangeException(nameof(corner), corner, "Expected a corner of the grid."),
        };

        private readonly int[] _positions = new int[GridOf([height, width])];
        private int _count;

        public void Visit(int row, int column)
        {
            bool fromRight = corner is GridCorner.TopRight or GridCorner.BottomRight;
            int y = _fromBottom ? height - 1 - row : row, x = fromRight ? width - 1 - column : column;
            _positions[_count++] = (y * width) + x;
        }

        public ScanOrder ToOrder() => new(_positions, _positions.Length, samples: 1);
    }
}
