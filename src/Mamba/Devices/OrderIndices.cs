using Mamba.Memory;
using Mamba.Orders;

namespace Mamba.Devices;

/// <summary>
/// A device's copy of an order. The device owns it, and it is freed when the order is garbage-collected.
/// </summary>
internal sealed class OrderIndices
{
    private readonly Device _device;

    public OrderIndices(Device device, ScanOrder order)
    {
        _device = device;
        Positions = device.OwnIndices(CountThrough(order.Positions, order.Length, order.GridLength));
        if (order.VisitsOnce)
        {
            Inverse = device.OwnIndices(CountThrough(order.Inverse, order.GridLength, order.Length));
        }
    }

    // A finalizer must not use the device directly: the memory is freed once all scopes open now have ended.
    ~OrderIndices() => _device.Defer(Release);

    /// <summary>
    /// The token of each step. If samples have their own orders, indices count through the whole batch.
    /// </summary>
    public IndexArray Positions { get; }

    /// <summary>The step of each token, counted in the same way; empty if a token is visited several times.</summary>
    public IndexArray Inverse { get; }

    /// <summary>
    /// Whether the memory still exists. A failed constructor of a module frees all memory allocated meanwhile, this
    /// copy included.
    /// </summary>
    public bool IsAlive => Positions.IsAlive;

    private void Release()
    {
        foreach (IndexArray indices in (ReadOnlySpan<IndexArray>)[Positions, Inverse])
        {
            if (indices.IsAlive)
            {
                _device.Release(indices.Storage);
            }
        }
    }

    /// <summary>Offsets each sample's indices, so that they count through all samples.</summary>
    private static int[] CountThrough(ReadOnlySpan<int> indices, int perSample, int rows)
    {
        int[] counted = new int[indices.Length];
        for (int i = 0; i < counted.Length; i++)
        {
            counted[i] = indices[i] < 0 ? -1 : indices[i] + (i / perSample * rows);
        }

        return counted;
    }
}
