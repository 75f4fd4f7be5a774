using System.Runtime.CompilerServices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Devices;

/// <content>Orders of tokens. The device caches a copy of each order while it exists.</content>
public abstract partial class Device
{
    private readonly ConditionalWeakTable<ScanOrder, OrderIndices> _orders = [];

    /// <summary>
    /// Whether the scan and the convolution accept permutation orders directly; if false, functions gather before and
    /// after them.
    /// </summary>
    internal virtual bool TakesOrders => false;

    /// <summary>The rows that an order gathers from an array, and the rows that its inverse gathers.</summary>
    /// <param name="order">The order; it must fit.</param>
    /// <param name="grid">Shape of the array in grid order, [batch, tokens, channels].</param>
    /// <param name="segments">Packed sequences; each is reordered by itself.</param>
    /// <returns>The rows. The device owns them, or, for segments, the innermost scope.</returns>
    internal OrderPlaces PlacesOf(ScanOrder order, Shape grid, Segments? segments)
    {
        if (segments is not null)
        {
            IndexArray places = Indices(order.Of(segments));
            return new(places, places, Parts: Math.Min(1, segments.Tokens));
        }

        order = order.OfLength(grid[1]);
        OrderIndices indices = IndicesOf(order);
        return new(indices.Positions, indices.Inverse, order.Samples > 1 ? 1 : grid[0]);
    }

    /// <summary>Copies integers to memory that no scope frees.</summary>
    internal IndexArray OwnIndices(ReadOnlySpan<int> values)
    {
        using DeviceScope scope = Scope();
        Storage storage = CreateOwned(values.Length, Precision.Float32);
        UploadIndices(values, storage);
        return new(storage, values);
    }

    /// <summary>The device's copy of an order that has a length.</summary>
    internal OrderIndices IndicesOf(ScanOrder order)
    {
        lock (_orders)
        {
            if (!_orders.TryGetValue(order, out OrderIndices? indices) || !indices.IsAlive)
            {
                indices = new(this, order);
                _orders.AddOrUpdate(order, indices);
            }

            return indices;
        }
    }
}

/// <summary>Rows that an order gathers.</summary>
/// <param name="Positions">The token of each step.</param>
/// <param name="Inverse">The step of each token; empty if a token is visited several times.</param>
/// <param name="Parts">Number of parts with the same pattern of rows; 0 if there are no rows.</param>
internal readonly record struct OrderPlaces(IndexArray Positions, IndexArray Inverse, int Parts);
