namespace Mamba.Kernels;

/// <summary>The blocking of a packed product. The sizes alone decide it, so no bit depends on the threads.</summary>
internal readonly struct MatMulPlan
{
    // 256 k of an eight-row panel of A are 8 KB and stay in L1. The same k of an item's panels of B are at most 400 KB,
    // stay in L2, and are read again for every eight rows of A.
    private const int MostBlockDepth = 256;
    private const int DepthUnit = 32; // weights that share a scale are packed together
    private const int MostRowsPerItem = 96;
    private const int MostPanelsPerItem = 8;

    // With smaller items, packing A and reading B cost more than another thread saves.
    private const int LeastRowsPerItem = 16;
    private const int LeastPanelsPerItem = 2;

    /// <summary>Enough to keep a few dozen threads busy.</summary>
    private const int WantedItems = 32;

    // Size of a packed slab, 16 MB: enough for a layer's weights, and a bound on what large matrices leave in the pool.
    private const int MostSlabDepth = 2048;
    private const int MostSlabFloats = 4 << 20;

    public MatMulPlan(nint rows, nint columns, nint depth, int panelWidth)
    {
        BlockDepth = (int)Even(depth, MostBlockDepth, DepthUnit);
        SlabDepth = Even(depth, MostSlabDepth, BlockDepth);
        nint panels = Pieces(columns, panelWidth);
        SlabPanels = Even(panels, Math.Max(1, MostSlabFloats / (SlabDepth * panelWidth)), 1);
        PanelWidth = panelWidth;

        nint mostRows = MostRowsPerItem, mostPanels = Math.Min(MostPanelsPerItem, SlabPanels);
        while (Pieces(rows, mostRows) * Pieces(SlabPanels, mostPanels) < WantedItems
            && (mostRows > LeastRowsPerItem || mostPanels > LeastPanelsPerItem))
        {
            // Halve the longer side of an item. Panels count half, because A is packed for each group of panels.
            bool byPanels = mostRows == LeastRowsPerItem || mostPanels * panelWidth > 2 * mostRows;
            if (byPanels && mostPanels > LeastPanelsPerItem)
            {
                mostPanels = Math.Max(LeastPanelsPerItem, mostPanels / 2);
            }
            else
            {
                mostRows = Math.Max(LeastRowsPerItem, mostRows / 2);
            }
        }

        RowsPerItem = Even(rows, mostRows, MatMulTile.Height);
        PanelsPerItem = Even(SlabPanels, mostPanels, 1);
    }

    /// <summary>Columns of a panel of B.</summary>
    public int PanelWidth { get; }

    /// <summary>Number of k that a tile sums before it adds to C. The depth alone decides it, hence the bits.</summary>
    public int BlockDepth { get; }

    /// <summary>Number of k of a packed slab of B; whole blocks.</summary>
    public nint SlabDepth { get; }

    /// <summary>Panels of a packed slab of B.</summary>
    public nint SlabPanels { get; }

    /// <summary>Rows of C that an item computes; whole tiles.</summary>
    public nint RowsPerItem { get; }

    /// <summary>Panels of B, and so columns of C, that an item computes.</summary>
    public nint PanelsPerItem { get; }

    /// <summary>Floats of a packed slab.</summary>
    public nint SlabFloats => SlabDepth * SlabPanels * PanelWidth;

    /// <summary>Number of pieces of <paramref name="size"/> that cover <paramref name="count"/>.</summary>
    public static nint Pieces(nint count, nint size) => (count + size - 1) / size;

    /// <summary>
    /// Size of nearly equal pieces of at most <paramref name="most"/>, rounded up to a multiple of
    /// <paramref name="unit"/>.
    /// </summary>
    private static nint Even(nint count, nint most, nint unit) =>
        Pieces(Pieces(count, Pieces(count, most)), unit) * unit;
}
