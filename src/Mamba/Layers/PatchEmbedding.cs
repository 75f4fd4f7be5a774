using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Patch embedding: cuts images into patches and projects each patch to a token.</summary>
/// <remarks>
/// Dosovitskiy et al., <see href="https://arxiv.org/abs/2010.11929"/>, eq. 1, without position embeddings.
/// </remarks>
/// <example>
/// <code>
/// using PatchEmbedding patches = new(device, channels: 3, size: 16, dim: 192, random);
/// DeviceArray tokens = patches.Forward(images);                         // [batch, (height/16)·(width/16), 192]
/// </code>
/// </example>
public sealed class PatchEmbedding : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Image channels.</param>
    /// <param name="size">Side of a square patch in pixels; it must divide height and width.</param>
    /// <param name="dim">Width of a token.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public PatchEmbedding(Device device, int channels, int size, int dim, Random? random, bool bias = true)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        Size = size;
        Projection = AddModule(
            "projection", new Linear(device, checked(size * size * channels), dim, bias, random));
    }

    /// <summary>Side of a patch in pixels.</summary>
    public int Size { get; }

    /// <summary>
    /// Projects a patch to a token. Its inputs are the pixels row by row, with the channels of a pixel adjacent.
    /// </summary>
    public Linear Projection { get; }

    /// <summary>Computes the tokens of images, patches in row-major order.</summary>
    /// <param name="x">Shape [batch, height, width, channels].</param>
    /// <returns>Shape [batch, (height/size)·(width/size), dim].</returns>
    /// <exception cref="ArgumentException">
    /// x does not have four axes, or the patch size does not divide height and width.
    /// </exception>
    public DeviceArray Forward(DeviceArray x)
    {
        DeviceArray patches = Functions.Patches(x, Size, Size);
        (int batch, int tokens) = (patches.Shape[0], checked(patches.Shape[1] * patches.Shape[2]));
        return Projection.Forward(patches.Reshape([batch, tokens, patches.Shape.Width]));
    }
}
