using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The part of a packed product <c>target = start + A·B</c> that uses one packed slab of B: a range of its columns and
/// of k.
/// </summary>
/// <remarks>
/// The blocking of Goto and van de Geijn, <see href="https://doi.org/10.1145/1356052.1356053"/>. A is packed on the
/// stack tile by tile; a tile stays in L1 while it is multiplied with every panel of B of an item.
/// </remarks>
internal readonly unsafe struct MatMulSlab<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    /// <summary>Columns of a whole panel of B: three registers.</summary>
    public static int PanelWidth => 3 * TLanes.Count;

    /// <summary>The blocking of the product.</summary>
    public required MatMulPlan Plan { get; init; }

    /// <summary>The left factor, [Rows, any depth].</summary>
    public required MatMulFactor A { get; init; }

    /// <summary>The right factor, [any depth, any columns].</summary>
    public required MatMulFactor B { get; init; }

    /// <summary>Rows of the product.</summary>
    public required nint Rows { get; init; }

    /// <summary>The slab's first column of B.</summary>
    public required nint Column { get; init; }

    /// <summary>The slab's number of columns.</summary>
    public required nint Columns { get; init; }

    /// <summary>The slab's first k.</summary>
    public required nint K { get; init; }

    /// <summary>The slab's number of k.</summary>
    public required nint Depth { get; init; }

    /// <summary>Initial values of the sums; null for zeros, pitch 0 for a bias.</summary>
    public required Rows Start { get; init; }

    public required Rows Target { get; init; }

    /// <summary>The packed slab: one panel after the other, each [k, panel width].</summary>
    public required float* Packed { get; init; }

    public nint Panels => MatMulPlan.Pieces(Columns, PanelWidth);

    public nint Blocks => MatMulPlan.Pieces(Depth, Plan.BlockDepth);

    public nint PanelGroups => MatMulPlan.Pieces(Panels, Plan.PanelsPerItem);

    public nint RowGroups => MatMulPlan.Pieces(Rows, Plan.RowsPerItem);

    /// <summary>Packs one block of k of one panel of B.</summary>
    public void Pack(nint panel, nint block)
    {
        nint k = block * Plan.BlockDepth, column = panel * PanelWidth;
        int count = (int)Math.Min(PanelWidth, Columns - column);
        B.Pack(Column + column, K + k, DepthFrom(k), count, Padded(count), PackedAt(panel, k));
    }

    /// <summary>Multiplies a group of rows with a group of packed panels.</summary>
    public void Multiply(nint rowGroup, nint panelGroup)
    {
        for (nint block = 0; block < Blocks; block++)
        {
            Multiply(rowGroup, panelGroup, block);
        }
    }

    /// <summary>Packs a group of panels, and multiplies a group of rows with them.</summary>
    public void PackAndMultiply(nint rowGroup, nint panelGroup)
    {
        (nint first, nint end) = PanelsOf(panelGroup);
        for (nint block = 0; block < Blocks; block++)
        {
            for (nint panel = first; panel < end; panel++)
            {
                Pack(panel, block);
            }

            Multiply(rowGroup, panelGroup, block);
        }
    }

    [SkipLocalsInit]
    private void Multiply(nint rowGroup, nint panelGroup, nint block)
    {
        float* a = stackalloc float[MatMulTile.Height * Plan.BlockDepth];
        nint k = block * Plan.BlockDepth;
        int depth = DepthFrom(k);
        Rows start = block == 0 ? Start : Target;
        nint firstRow = rowGroup * Plan.RowsPerItem, endRow = Math.Min(firstRow + Plan.RowsPerItem, Rows);
        (nint firstPanel, nint endPanel) = PanelsOf(panelGroup);
        for (nint row = firstRow; row < endRow; row += MatMulTile.Height)
        {
            int rows = (int)Math.Min(MatMulTile.Height, endRow - row);
            A.Pack(row, K + k, depth, rows, MatMulTile.Height, a);
            for (nint panel = firstPanel; panel < endPanel; panel++)
            {
                nint column = panel * PanelWidth;
                int columns = (int)Math.Min(PanelWidth, Columns - column);
                Rows from = start.IsNull ? start : At(start, row, column);
                MultiplyTile(a, PackedAt(panel, k), depth, rows, columns, from, At(Target, row, column));
            }
        }
    }

    private static void MultiplyTile(float* a, float* b, int depth, int rows, int columns, Rows start, Rows target)
    {
        if (columns > 2 * TLanes.Count)
        {
            MatMulTile.Multiply<Strip3<TLanes>>(a, b, depth, rows, columns, start, target);
        }
        else if (columns > TLanes.Count)
        {
            MatMulTile.Multiply<Strip2<TLanes>>(a, b, depth, rows, columns, start, target);
        }
        else
        {
            MatMulTile.Multiply<Strip1<TLanes>>(a, b, depth, rows, columns, start, target);
        }
    }

    private (nint First, nint End) PanelsOf(nint group)
    {
        nint first = group * Plan.PanelsPerItem;
        return (first, Math.Min(first + Plan.PanelsPerItem, Panels));
    }

    /// <summary>Width of a panel of <paramref name="columns"/> columns: whole registers.</summary>
    private static int Padded(int columns) => (columns + TLanes.Count - 1) / TLanes.Count * TLanes.Count;

    private Rows At(Rows rows, nint row, nint column) => new(rows[row] + Column + column, rows.Pitch);

    private int DepthFrom(nint k) => (int)Math.Min(Plan.BlockDepth, Depth - k);

    private float* PackedAt(nint panel, nint k)
    {
        nint column = panel * PanelWidth;
        return Packed + (column * Plan.SlabDepth) + (k * Padded((int)Math.Min(PanelWidth, Columns - column)));
    }
}
