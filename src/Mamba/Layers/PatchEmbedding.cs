using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Cuts images into patches and makes a token of each by a linear map.</summary>
/// <remarks>Dosovitskiy et al., <see href="https://arxiv.org/abs/2010.11929"/>, eq. 1, without positions.</remarks>
public sealed class PatchEmbedding : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Channels of the images.</param>
    /// <param name="size">Pixels of a patch down and across, of which heights and widths are multiples.</param>
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

    /// <summary>Pixels of a patch down and across.</summary>
    public int Size { get; }

    /// <summary>
    /// Makes a token of a patch: its inputs are the pixels row by row, and the channels of each side by side.
    /// </summary>
    public Linear Projection { get; }

    /// <summary>Makes the tokens of images, row by row.</summary>
    /// <param name="x">Shape [batch, height, width, channels].</param>
    /// <returns>Shape [batch, (height/size)·(width/size), dim].</returns>
    /// <exception cref="ArgumentException">x has other axes, or the size does not divide them.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        DeviceArray patches = Functions.Patches(x, Size, Size);
        (int batch, int tokens) = (patches.Shape[0], checked(patches.Shape[1] * patches.Shape[2]));
        return Projection.Forward(patches.Reshape([batch, tokens, patches.Shape.Width]));
    }
}
