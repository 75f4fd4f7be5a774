using System.Runtime.CompilerServices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Devices;

/// <content>Orders of tokens: the device keeps a copy of each as long as the order lives.</content>
public abstract partial class Device
{
    private readonly ConditionalWeakTable<ScanOrder, OrderIndices> _orders = [];

    /// <summary>
    /// Whether the scan and the convolution take orders that are permutations; otherwise functions gather before and
    /// after them.
    /// </summary>
    internal virtual bool TakesOrders => false;

    /// <summary>The rows that an order picks of an array, and those that the way back picks.</summary>
    /// <param name="order">The order, which fits.</param>
    /// <param name="grid">Shape of the array in grid order, [batch, tokens, channels].</param>
    /// <param name="segments">Packed sequences, each of which is reversed.</param>
    /// <returns>The rows: owned by the device, those of segments by the innermost scope.</returns>
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

    /// <summary>Copies integers into memory that no scope frees.</summary>
    internal IndexArray OwnIndices(ReadOnlySpan<int> values)
    {
        using DeviceScope scope = Scope();
        Storage storage = CreateOwned(values.Length, Precision.Float32);
        UploadIndices(values, storage);
        return new(storage, values);
    }

    /// <summary>The device's copy of an order of some length.</summary>
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

/// <summary>Rows that an order picks.</summary>
/// <param name="Positions">The token of each step.</param>
/// <param name="Inverse">The step of each token; empty if a token is visited several times.</param>
/// <param name="Parts">Parts of the rows that are picked alike; 0 if there are no rows.</param>
internal readonly record struct OrderPlaces(IndexArray Positions, IndexArray Inverse, int Parts);
