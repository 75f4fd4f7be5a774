using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Wraps a function without weights as a layer.</summary>
/// <example>
/// <code>
/// using Lambda mean = new(device, h =&gt; Functions.Mean(h, axis: 1)); // [batch, length, dim] to [batch, dim]
/// DeviceArray pooled = mean.Forward(x);
/// </code>
/// </example>
public sealed class Lambda : Module, ILayer
{
    private readonly Func<DeviceArray, DeviceArray> _function;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that computes the layer.</param>
    /// <param name="function">
    /// The function, composed of <see cref="Autograd.Functions"/>, so that a tape records it.
    /// </param>
    public Lambda(Device device, Func<DeviceArray, DeviceArray> function)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(function);
        _function = function;
    }

    /// <inheritdoc/>
    public DeviceArray Forward(DeviceArray x) => _function(x);
}
