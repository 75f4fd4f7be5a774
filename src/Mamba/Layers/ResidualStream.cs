using System.Diagnostics.CodeAnalysis;
using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// The residual stream between two layers as the sum of two arrays: the stream before the last layer, and that layer's
/// output.
/// </summary>
/// <remarks>
/// A stack of blocks that passes it on leaves the addition to the norm that follows, which adds and normalises in one
/// operation. The results are bitwise the same as with blocks that add. The last product of a layer could add instead
/// (<see cref="Linear.Forward(DeviceArray, DeviceArray)"/>), and is as fast; but then every mixer would have to take
/// the stream, and a long sequence would add in another order.
/// </remarks>
/// <example>
/// <code>
/// ResidualStream h = new(x);
/// foreach (ResidualBlock block in blocks)
/// {
///     h = block.Forward(h);
/// }
///
/// DeviceArray y = finalNorm.Forward(h).Y;
/// </code>
/// </example>
[SuppressMessage("Naming", "CA1711", Justification = "The field's word; it has nothing to do with System.IO.Stream.")]
public readonly record struct ResidualStream
{
    /// <summary>Makes a stream.</summary>
    /// <param name="residual">The stream before the last layer, shape [.., modelDim].</param>
    /// <param name="update">The last layer's output, in the same shape; <c>default</c> if there is none.</param>
    /// <param name="embeddings">The stream before the first layer, for layers that read it.</param>
    public ResidualStream(DeviceArray residual, DeviceArray update = default, DeviceArray embeddings = default) =>
        (Residual, Update, Embeddings) = (residual, update, embeddings);

    /// <summary>The stream before the last layer, shape [.., modelDim].</summary>
    public DeviceArray Residual { get; }

    /// <summary>The last layer's output, in the same shape; absent before the first layer.</summary>
    public DeviceArray Update { get; }

    /// <summary>
    /// The stream before the first layer, which a <see cref="SharedInputMixer"/> reads; absent if no layer does.
    /// </summary>
    public DeviceArray Embeddings { get; }

    /// <summary>Adds both arrays.</summary>
    /// <returns>The stream as one array; <see cref="Residual"/> itself if there is no update.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public DeviceArray Sum() => Update.Exists ? Functions.Add(Residual, Update) : Residual;
}
