using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>What attention remembers: the keys and values of every token. It grows with the text.</summary>
public sealed class AttentionState : LayerState
{
    private const int KeysIndex = 0, ValuesIndex = 1, WindowIndex = 2;

    private readonly int _dim;
    private readonly int _windowRows;
    private readonly int _windowDim;

    internal AttentionState(Device device, int batch, int dim, int windowRows, int windowDim)
        : base(device, batch)
    {
        _dim = dim;
        _windowRows = windowRows;
        _windowDim = windowDim;
        Allocate([batch, 0, dim], [batch, 0, dim], [batch, windowRows, windowDim]);
    }

    /// <summary>Keys, turned by their positions, shape [batch, tokens, keyValueHeads·headDim].</summary>
    public DeviceArray Keys => Arrays[KeysIndex];

    /// <summary>Values, shape [batch, tokens, keyValueHeads·headDim].</summary>
    public DeviceArray Values => Arrays[ValuesIndex];

    /// <summary>The last inputs of the convolution, if there is one.</summary>
    public DeviceArray Window => Arrays[WindowIndex];

    /// <inheritdoc/>
    public override int Length => Keys.Shape[1];

    /// <inheritdoc/>
    public override bool HoldsTokens => true;

    /// <inheritdoc/>
    protected internal override LayerState CreateEmpty(int batch) =>
        new AttentionState(Device, batch, _dim, _windowRows, _windowDim);

    /// <inheritdoc/>
    protected internal override void SetLength(int length)
    {
        if (length != Length)
        {
            using DeviceScope scope = Device.Scope();
            Take(Device.Zeros([Batch, length, _dim]), Device.Zeros([Batch, length, _dim]), Window);
        }
    }

    /// <summary>Whether the state is of a layer with these sizes, on its device.</summary>
    internal bool Fits(Device device, int dim, int windowRows, int windowDim) =>
        Device == device && (_dim, _windowRows, _windowDim) == (dim, windowRows, windowDim);

    /// <summary>Remembers more tokens, and the convolution's window if there is one.</summary>
    internal void Append(DeviceArray keys, DeviceArray values, DeviceArray window) =>
        Take(After(Keys, keys), After(Values, values), window.Exists ? window : Window);

    /// <inheritdoc/>
    protected internal override bool Grows(int index) => index != WindowIndex;

    private DeviceArray After(DeviceArray past, DeviceArray next)
    {
        (int before, int more) = (past.Shape[1], next.Shape[1]);
        DeviceArray all = Functions.Concat(
            past.Reshape([Batch, checked(before * _dim)]),
            Functions.Contiguous(next).Reshape([Batch, checked(more * _dim)]));
        return all.Reshape([Batch, before + more, _dim]);
    }
}
