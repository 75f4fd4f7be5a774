using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Products of matrices that fit the nearest caches. They stand in scratch memory whose rows and columns are rounded up
/// (<see cref="Arena"/>), so that no remainders are left over, and nothing is packed.
/// </summary>
internal static unsafe class SmallProduct
{
    /// <summary>Rows of a result come in multiples of this.</summary>
    public const int RowTile = 8;

    /// <summary>Columns of a result come in multiples of this: one register of the widest kind.</summary>
    public const int ColumnTile = 16;

    /// <summary>Rounds a number of rows up to whole tiles.</summary>
    public static int WholeRows(int rows) => (rows + RowTile - 1) & -RowTile;

    /// <summary>Rounds a number of columns up to whole tiles.</summary>
    public static int WholeColumns(int columns) => (columns + ColumnTile - 1) & -ColumnTile;

    /// <summary>
    /// Computes <c>y = scale·y + left·right</c>, [rows, depth] times [depth, columns]; with a scale of 0 the old y is
    /// not read.
    /// </summary>
    public static void Run(Rows left, Rows right, Rows y, float scale, int rows, int columns, Depth depth)
    {
        // 16 sums and 3 factors fit 32 registers, 8 and 3 fit 16.
        if (Width.Has512) { Run<Lanes512, SmallTile.Eight>(left, right, y, scale, rows, columns, depth); }
        else if (Width.Has256) { Run<Lanes256, SmallTile.Four>(left, right, y, scale, rows, columns, depth); }
        else if (Width.Has128) { Run<Lanes128, SmallTile.Four>(left, right, y, scale, rows, columns, depth); }
        else { Run<Lane, SmallTile.Four>(left, right, y, scale, rows, columns, depth); }
    }

    /// <summary>Computes the tiles of <c>y = left·right</c> that hold elements with column ≤ row.</summary>
    public static void RunLower(Rows left, Rows right, Rows y, int rows, int depth)
    {
        for (int row = 0; row < rows; row += RowTile)
        {
            int columns = WholeColumns(row + RowTile);
            Run(left.At(row, 0), right, y.At(row, 0), 0f, RowTile, columns, Depth.All(depth));
        }
    }

    /// <summary>Computes the tiles of <c>y = left·right</c> that hold elements with column ≥ row.</summary>
    public static void RunUpper(Rows left, Rows right, Rows y, int rows, int columns, int depth)
    {
        for (int row = 0; row < rows; row += RowTile)
        {
            int start = row & -ColumnTile;
            Run(
                left.At(row, 0),
                right.From(start),
                y.At(row, start),
                0f,
                RowTile,
                columns - start,
                Depth.All(depth));
        }
    }

    // Columns outside: a panel of the right matrix, two registers wide, stays in L1 while the rows of the left pass by.
    private static void Run<TLanes, THeight>(
        Rows left, Rows right, Rows y, float scale, int rows, int columns, Depth depth)
        where TLanes : struct, ILanes<TLanes>
        where THeight : struct, SmallTile.ICount
    {
        for (int column = 0; column < columns; column += 2 * TLanes.Count)
        {
            bool isWhole = column + TLanes.Count < columns;
            for (int row = 0; row < rows; row += THeight.Value)
            {
                (int from, int to) = depth.At(row);
                Rows l = left.At(row, 0), r = right.From(column), target = y.At(row, column);
                if (isWhole)
                {
                    SmallTile.Run<TLanes, THeight, SmallTile.Two>(l, r, target, scale, from, to);
                }
                else
                {
                    SmallTile.Run<TLanes, THeight, SmallTile.One>(l, r, target, scale, from, to);
                }
            }
        }
    }

    /// <summary>The range of k of every tile of rows.</summary>
    public readonly struct Depth
    {
        private readonly int _from;
        private readonly int _to;
        private readonly bool _fromFollows;
        private readonly bool _toFollows;

        private Depth(int from, int to, bool fromFollows, bool toFollows)
        {
            _from = from;
            _to = to;
            _fromFollows = fromFollows;
            _toFollows = toFollows;
        }

        /// <summary>The same range for all rows.</summary>
        public static Depth All(int to) => new(0, to, false, false);

        /// <summary>From <paramref name="from"/> to <paramref name="diagonal"/> + the first row of the tile.</summary>
        public static Depth Below(int from, int diagonal) => new(from, diagonal, false, true);

        /// <summary>From the first row after the tile to <paramref name="to"/>.</summary>
        public static Depth Above(int to) => new(RowTile, to, true, false);

        public (int From, int To) At(int row)
        {
            int tile = row & -RowTile;
            return (_fromFollows ? _from + tile : _from, _toFollows ? _to + tile : _to);
        }
    }
}
