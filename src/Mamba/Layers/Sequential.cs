using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A chain of layers: the output of each is the input of the next.</summary>
/// <example>
/// <code>
/// using Sequential classifier = new(
///     new Linear(device, 8, 64, bias: true, random),
///     new MambaMixer(device, new() { ModelDim = 64 }, random),
///     new Lambda(device, h =&gt; Functions.Mean(h, axis: 1)),
///     new Linear(device, 64, 10, bias: true, random));
/// DeviceArray logits = classifier.Forward(x);
/// </code>
/// </example>
public sealed class Sequential : Module, ILayer
{
    private readonly ILayer[] _layers;

    /// <summary>Composes layers on one device; this layer frees them.</summary>
    /// <param name="layers">
    /// At least one layer, first to last. Their names here are their indices. A layer that occurs twice shares its
    /// weights.
    /// </param>
    /// <exception cref="ArgumentException">
    /// There is no layer, a layer is no <see cref="Module"/>, or the layers are on different devices.
    /// </exception>
    public Sequential(params ILayer[] layers)
        : base(First(layers).Device)
    {
        _layers = [.. layers];
        for (int i = 0; i < _layers.Length; i++)
        {
            AddModule(NameOf(i), Part(_layers[i], $"{nameof(layers)}[{i}]"));
        }
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<ILayer> Layers => _layers;

    /// <summary>Applies all layers, first to last.</summary>
    /// <param name="x">The input of the first layer.</param>
    /// <returns>The output of the last layer.</returns>
    public DeviceArray Forward(DeviceArray x)
    {
        foreach (ILayer layer in _layers)
        {
            x = layer.Forward(x);
        }

        return x;
    }

    private static Module First(ILayer[] layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        return layers.Length > 0
            ? Part(layers[0], $"{nameof(layers)}[0]")
            : throw new ArgumentException("Expected at least one layer; found none.", nameof(layers));
    }
}
