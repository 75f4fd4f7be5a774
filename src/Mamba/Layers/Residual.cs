using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A residual connection around a layer: <c>y = x + layer(norm(x))</c>.</summary>
/// <example>
/// <code>
/// using Residual block = new(new Sequential(
///     new RmsNorm(device, 64), new MambaMixer(device, new() { ModelDim = 64 }, random)));
/// DeviceArray y = block.Forward(x);
/// </code>
/// </example>
public sealed class Residual : Module, ILayer
{
    private readonly ILayer _layer;
    private readonly ILayer? _norm;

    /// <summary>Composes parts on one device; this layer frees them.</summary>
    /// <param name="layer">A layer that keeps the shape of its input; its name here is <c>layer</c>.</param>
    /// <param name="norm">A norm before the layer; null for none. Its name here is <c>norm</c>.</param>
    /// <param name="dropPath">
    /// Probability that a sample skips the layer while a tape records, from 0 to below 1: see
    /// <see cref="Functions.DropPath"/>.
    /// </param>
    /// <exception cref="ArgumentException">
    /// A part is no <see cref="Module"/>, or the parts are on different devices.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="dropPath"/> is not from 0 to below 1.</exception>
    public Residual(ILayer layer, ILayer? norm = null, double dropPath = 0)
        : base(Part(layer, nameof(layer)).Device)
    {
        Functions.RequireRate(dropPath);
        DropPath = dropPath;
        (_layer, _norm) = (layer, norm);
        if (norm is not null)
        {
            AddModule("norm", Part(norm, nameof(norm)));
        }

        AddModule("layer", Part(layer, nameof(layer)));
    }

    /// <summary>Probability that a sample skips the layer while a tape records.</summary>
    public double DropPath { get; }

    /// <summary>Computes <c>x + layer(norm(x))</c>.</summary>
    /// <param name="x">The input, in a shape that the layer accepts.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The layer does not keep the shape.</exception>
    public DeviceArray Forward(DeviceArray x) =>
        Functions.Add(x, Functions.DropPath(_layer.Forward(_norm is null ? x : _norm.Forward(x)), DropPath));
}
