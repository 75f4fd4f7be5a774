using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>What a Mamba mixer remembers: the convolution's last inputs, and h.</summary>
public sealed class MixerState : LayerState
{
    private const int WindowIndex = 0, HiddenIndex = 1;

    private readonly int _convolutionRows;
    private readonly int _convolutionDim;
    private readonly Shape _hidden;

    /// <summary>Makes a state of zeros.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="batch">Number of sequences.</param>
    /// <param name="convolutionRows">Inputs that the convolution looks back on: its width less one.</param>
    /// <param name="convolutionDim">Channels of the convolution.</param>
    /// <param name="hidden">Shape of h for one sequence, of two or three axes.</param>
    internal MixerState(Device device, int batch, int convolutionRows, int convolutionDim, Shape hidden)
        : base(device, batch)
    {
        _convolutionRows = convolutionRows;
        _convolutionDim = convolutionDim;
        _hidden = hidden;
        AddArray([batch, convolutionRows, convolutionDim]);
        AddArray(Shape.Create([batch, .. hidden.ToArray()]));
    }

    /// <summary>The last inputs of the convolution, oldest first, shape [batch, convWidth - 1, channels].</summary>
    public DeviceArray Window
    {
        get => Arrays[WindowIndex];
        internal set => Set(WindowIndex, value);
    }

    /// <summary>
    /// h: shape [batch, states, channels] in Mamba-1 and real S4D, [batch, 2, states, channels] in complex S4D, where
    /// real parts come first, [batch, heads, headDim, states] in Mamba-2.
    /// </summary>
    public DeviceArray Hidden
    {
        get => Arrays[HiddenIndex];
        internal set => Set(HiddenIndex, value);
    }

    internal DeviceArray WindowInPlace => InPlace(WindowIndex);

    internal DeviceArray HiddenInPlace => InPlace(HiddenIndex);

    internal override LayerState CreateEmpty(int batch) =>
        new MixerState(Device, batch, _convolutionRows, _convolutionDim, _hidden);
}
