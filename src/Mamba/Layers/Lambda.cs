using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A function as a layer, without weights.</summary>
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
    /// <param name="device">Where it computes.</param>
    /// <param name="function">
    /// The function, made of <see cref="Autograd.Functions"/>, which record themselves on a tape.
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
