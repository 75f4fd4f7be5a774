using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A part of a model that makes one array of one array.</summary>
/// <remarks>
/// <see cref="Sequential"/> and <see cref="Residual"/> compose such layers. A layer that has weights or parts derives
/// from <see cref="Module"/> too; a plain function becomes a layer by <see cref="Lambda"/>.
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
    /// <param name="x">The input; the layer says which shape.</param>
    /// <returns>The output, in the device's scope.</returns>
    /// <exception cref="ArgumentException">The layer does not take this shape.</exception>
    DeviceArray Forward(DeviceArray x);
}
