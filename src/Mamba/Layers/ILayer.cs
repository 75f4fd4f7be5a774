using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A part of a model that computes one array from one array.</summary>
/// <remarks>
/// <see cref="Sequential"/> and <see cref="Residual"/> compose layers. A layer with weights or parts also derives from
/// <see cref="Module"/>; <see cref="Lambda"/> wraps a plain function as a layer.
/// </remarks>
/// <example>
/// <code>
/// ILayer[] layers = [new RmsNorm(device, 64), new Linear(device, 64, 64, bias: true, random)];
/// DeviceArray h = x;
/// foreach (ILayer layer in layers)
/// {
///     h = layer.Forward(h);
/// }
/// </code>
/// </example>
public interface ILayer
{
    /// <summary>Computes the layer.</summary>
    /// <param name="x">The input; its shape depends on the layer.</param>
    /// <returns>The output, in the device's scope.</returns>
    /// <exception cref="ArgumentException">The layer does not accept this shape.</exception>
    DeviceArray Forward(DeviceArray x);
}
