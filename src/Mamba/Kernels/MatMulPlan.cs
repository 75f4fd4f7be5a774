namespace Mamba.Kernels;

/// <summary>How a packed product is cut: by its sizes alone, so that no bit depends on the number of threads.</summary>
internal readonly struct MatMulPlan
{
    // A block of 256 k of an eight-row panel of A is 8 KB and stays in L1; the same of the panels of B of one item is
    // 400 KB at most, stays in L2, and is read again for every eight rows of A.
    private const int MostBlockDepth = 256;
    private const int DepthUnit = 32; // weights that share a scale are packed together
    private const int MostRowsPerItem = 96;
    private const int MostPanelsPerItem = 8;

    // Below these, packing A and fetching B weigh more than what one more thread brings.
    private const int LeastRowsPerItem = 16;
    private const int LeastPanelsPerItem = 2;

    /// <summary>Enough to keep a few dozen threads busy.</summary>
    private const int WantedItems = 32;

    // What is packed at a time, 16 MB: enough for a layer's weights, and a bound on what a large matrix leaves behind.
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
            // Halve the longer side of an item; the panels count half, since A is packed for every group of them.
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

    /// <summary>Number of k that a tile sums up before it adds to C; by the depth alone, as are the bits.</summary>
    public int BlockDepth { get; }

    /// <summary>Number of k of B that are packed at a time; whole blocks.</summary>
    public nint SlabDepth { get; }

    /// <summary>Panels of B that are packed at a time.</summary>
    public nint SlabPanels { get; }

    /// <summary>Rows of C that an item computes; whole tiles.</summary>
    public nint RowsPerItem { get; }

    /// <summary>Panels of B, and so columns of C, that an item computes.</summary>
    public nint PanelsPerItem { get; }

    /// <summary>Floats that a packed slab takes.</summary>
    public nint SlabFloats => SlabDepth * SlabPanels * PanelWidth;

    /// <summary>Number of pieces of <paramref name="size"/> that cover <paramref name="count"/>.</summary>
    public static nint Pieces(nint count, nint size) => (count + size - 1) / size;

    /// <summary>The size of about equal pieces of whole units, at most <paramref name="most"/>.</summary>
    private static nint Even(nint count, nint most, nint unit) =>
        Pieces(Pieces(count, Pieces(count, most)), unit) * unit;
}
