using Mamba.Autograd;
using Mamba.Devices;

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
        AddArray([batch, 0, dim]);
        AddArray([batch, 0, dim]);
        AddArray([batch, windowRows, windowDim]);
    }

    /// <summary>Keys, turned by their positions, shape [batch, tokens, keyValueHeads·headDim].</summary>
    public DeviceArray Keys => Arrays[KeysIndex];

    /// <summary>Values, shape [batch, tokens, keyValueHeads·headDim].</summary>
    public DeviceArray Values => Arrays[ValuesIndex];

    /// <summary>The last inputs of the convolution, if there is one.</summary>
    public DeviceArray Window
    {
        get => Arrays[WindowIndex];
        internal set => Set(WindowIndex, value);
    }

    internal override int Length => Keys.Shape[1];

    internal override bool HoldsTokens => true;

    /// <inheritdoc/>
    public override void CopyFrom(LayerState other)
    {
        ArgumentNullException.ThrowIfNull(other);
        SetLength(other.Length);
        base.CopyFrom(other);
    }

    internal override LayerState CreateEmpty(int batch) =>
        new AttentionState(Device, batch, _dim, _windowRows, _windowDim);

    internal override void SetLength(int length)
    {
        if (length != Length)
        {
            using DeviceScope scope = Device.Scope();
            Set(KeysIndex, Device.Zeros([Batch, length, _dim]));
            Set(ValuesIndex, Device.Zeros([Batch, length, _dim]));
        }
    }

    /// <summary>Remembers more tokens.</summary>
    internal void Append(DeviceArray keys, DeviceArray values)
    {
        Set(KeysIndex, After(Keys, keys));
        Set(ValuesIndex, After(Values, values));
    }

    private DeviceArray After(DeviceArray past, DeviceArray next)
    {
        (int before, int more) = (past.Shape[1], next.Shape[1]);
        DeviceArray all = Functions.Concat(
            past.Reshape([Batch, before * _dim]), Functions.Contiguous(next).Reshape([Batch, more * _dim]));
        return all.Reshape([Batch, before + more, _dim]);
    }
}
