namespace Mamba.Orders;

/// <summary>A corner of a grid, where an order starts.</summary>
public enum GridCorner
{
    /// <summary>Row 0, column 0.</summary>
    TopLeft,

    /// <summary>Row 0, the last column.</summary>
    TopRight,

    /// <summary>The last row, column 0.</summary>
    BottomLeft,

    /// <summary>The last row, the last column.</summary>
    BottomRight,
}
