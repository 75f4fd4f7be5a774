using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Adds to the input what a layer makes of it: <c>y = x + layer(norm(x))</c>.</summary>
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

    /// <summary>Composes the layer of parts on one device, which it frees.</summary>
    /// <param name="layer">Keeps the shape of its input. Its name here is <c>layer</c>.</param>
    /// <param name="norm">Stands in front of the layer; null: nothing does. Its name here is <c>norm</c>.</param>
    /// <param name="dropPath">
    /// The probability of a sample to go round the layer while a tape records, from 0 to below 1: see
    /// <see cref="Functions.DropPath"/>.
    /// </param>
    /// <exception cref="ArgumentException">A part is no <see cref="Module"/>, or they are on two devices.</exception>
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

    /// <summary>The probability of a sample to go round the layer while a tape records.</summary>
    public double DropPath { get; }

    /// <summary>Computes <c>x + layer(norm(x))</c>.</summary>
    /// <param name="x">What the layer takes.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">The layer does not keep the shape.</exception>
    public DeviceArray Forward(DeviceArray x) =>
        Functions.Add(x, Functions.DropPath(_layer.Forward(_norm is null ? x : _norm.Forward(x)), DropPath));
}
