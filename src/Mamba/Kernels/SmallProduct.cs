using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Products of matrices that fit in L1 or L2. They lie in scratch memory padded to whole tiles (<see cref="Arena"/>),
/// so there are no remainders, and nothing is packed.
/// </summary>
internal static unsafe class SmallProduct
{
    /// <summary>The rows of a result are a multiple of this.</summary>
    public const int RowTile = 8;

    /// <summary>The columns of a result are a multiple of this: one 512-bit register.</summary>
    public const int ColumnTile = 16;

    /// <summary>Rounds a number of rows up to whole tiles.</summary>
    public static int WholeRows(int rows) => (rows + RowTile - 1) & -RowTile;

    /// <summary>Rounds a number of columns up to whole tiles.</summary>
    public static int WholeColumns(int columns) => (columns + ColumnTile - 1) & -ColumnTile;

    /// <summary>
    /// Computes <c>y = keep·y + factor·(left·right)</c>, [rows, depth] times [depth, columns].
    /// </summary>
    /// <param name="left">The left matrix.</param>
    /// <param name="right">The right matrix.</param>
    /// <param name="y">The result.</param>
    /// <param name="keep">Factor of the old y; if 0, y is not read.</param>
    /// <param name="rows">Rows of the result, a multiple of <see cref="RowTile"/>.</param>
    /// <param name="columns">Columns of the result, a multiple of <see cref="ColumnTile"/>.</param>
    /// <param name="depth">The range of k.</param>
    /// <param name="factors">One factor per row; null for ones.</param>
    public static void Run(
        Rows left, Rows right, Rows y, float keep, int rows, int columns, Depth depth, float* factors = null)
    {
        // 16 accumulators and 3 factors fit in 32 registers, 8 and 3 in 16.
        if (Width.Has512) { Run<Lanes512, SmallTile.Eight>(left, right, y, keep, rows, columns, depth, factors); }
        else if (Width.Has256) { Run<Lanes256, SmallTile.Four>(left, right, y, keep, rows, columns, depth, factors); }
        else if (Width.Has128) { Run<Lanes128, SmallTile.Four>(left, right, y, keep, rows, columns, depth, factors); }
        else { Run<Lane, SmallTile.Four>(left, right, y, keep, rows, columns, depth, factors); }
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

    // The outer loop runs over columns: a panel of the right matrix, two registers wide, stays in L1 for all rows of
    // the left.
    private static void Run<TLanes, THeight>(
        Rows left, Rows right, Rows y, float keep, int rows, int columns, Depth depth, float* factors)
        where TLanes : struct, ILanes<TLanes>
        where THeight : struct, SmallTile.ICount
    {
        for (int column = 0; column < columns; column += 2 * TLanes.Count)
        {
            bool isWhole = column + TLanes.Count < columns;
            for (int row = 0; row < rows; row += THeight.Value)
            {
                (int from, int to, SmallTile.Triangle triangle) = depth.At(row, THeight.Value);
                Rows l = left.At(row, 0), r = right.From(column), target = y.At(row, column);
                float* factor = factors == null ? null : factors + row;
                if (isWhole)
                {
                    SmallTile.Run<TLanes, THeight, SmallTile.Two>(l, r, target, keep, factor, from, to, triangle);
                }
                else
                {
                    SmallTile.Run<TLanes, THeight, SmallTile.One>(l, r, target, keep, factor, from, to, triangle);
                }
            }
        }
    }

    /// <summary>The range of k for each row.</summary>
    public readonly struct Depth
    {
        private readonly Kind _kind;
        private readonly int _to;

        private Depth(Kind kind, int to)
        {
            _kind = kind;
            _to = to;
        }

        private enum Kind
        {
            All,
            UpToRow,
            FromRow,
        }

        /// <summary>From 0 to the row's index, inclusive.</summary>
        public static Depth UpToRow => new(Kind.UpToRow, 0);

        /// <summary>From 0 to <paramref name="to"/>, exclusive.</summary>
        public static Depth All(int to) => new(Kind.All, to);

        /// <summary>From the row's index to <paramref name="to"/>, exclusive.</summary>
        public static Depth FromRow(int to) => new(Kind.FromRow, to);

        /// <summary>The range of k that all rows of a tile share, and the tile's diagonal block.</summary>
        public (int From, int To, SmallTile.Triangle Triangle) At(int row, int height) => _kind switch
        {
            Kind.UpToRow => (0, row, new(row, row + height, true)),
            Kind.FromRow => (row + height, _to, new(row, Math.Min(row + height, _to), false)),
            _ => (0, _to, default),
        };
    }
}
