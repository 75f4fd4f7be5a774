using Mamba.Memory;
using Mamba.Orders;

namespace Mamba.Devices;

/// <summary>A device's copy of an order, owned by the device and freed when the order is collected.</summary>
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

    // The device is used only under its scopes: memory is freed when every scope that is open now has ended.
    ~OrderIndices() => _device.Defer(Release);

    /// <summary>The token of each step; if samples have orders of their own, counted through the batch.</summary>
    public IndexArray Positions { get; }

    /// <summary>The step of each token, counted likewise; empty if a token is visited several times.</summary>
    public IndexArray Inverse { get; }

    /// <summary>Whether the memory is there: a module that could not be made takes what it allocated with it.</summary>
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

    /// <summary>Indices of every sample, counted through those of all samples.</summary>
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
