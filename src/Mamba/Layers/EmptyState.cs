using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The state of a layer that remembers nothing.</summary>
/// <param name="device">The layer's device.</param>
/// <param name="batch">Number of sequences.</param>
/// <param name="canRecord">Whether the layer runs the same device operations in every step.</param>
internal sealed class EmptyState(Device device, int batch, bool canRecord) : LayerState(device, batch)
{
    protected internal override bool CanRecord => canRecord;

    protected internal override LayerState CreateEmpty(int batch) => new EmptyState(Device, batch, canRecord);
}
