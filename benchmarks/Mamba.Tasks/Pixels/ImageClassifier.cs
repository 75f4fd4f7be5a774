using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tasks.Pixels;

/// <summary>Reads an image patch by patch: projection, blocks, norm, head, and the mean over all patches.</summary>
internal sealed class ImageClassifier : Module
{
    private readonly Linear _embedding;
    private readonly ResidualBlock[] _blocks;
    private readonly RmsNorm _norm;
    private readonly Linear _head;

    /// <summary>Makes the model.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="patchPixels">Pixels of a patch.</param>
    /// <param name="layers">The layers.</param>
    /// <param name="classes">Number of labels.</param>
    /// <param name="random">Source of the first weights.</param>
    public ImageClassifier(Device device, int patchPixels, MixerOptions[] layers, int classes, Random random)
        : base(device)
    {
        int dim = layers[0].ModelDim;
        double outputScale = 1 / Math.Sqrt(layers.Length);
        _embedding = AddModule("embedding", new Linear(device, patchPixels, dim, true, random));
        _blocks = new ResidualBlock[layers.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            SequenceMixer mixer = layers[i].Create(device, random, outputScale);
            _blocks[i] = AddModule($"blocks.{i}", new ResidualBlock(mixer, dim));
        }

        _norm = AddModule("norm", new RmsNorm(device, dim));
        _head = AddModule("head", new Linear(device, dim, classes, true, random));
    }

    /// <summary>Computes the logits of images.</summary>
    /// <param name="patches">Shape [images, length, patchPixels].</param>
    /// <returns>Shape [images, classes].</returns>
    public DeviceArray Forward(DeviceArray patches)
    {
        DeviceArray h = _embedding.Forward(patches);
        foreach (ResidualBlock block in _blocks)
        {
            h = block.Forward(h);
        }

        // The head is linear: the mean of what it says at every patch is what it says of the mean.
        return MeanOverLength(_head.Forward(_norm.Forward(h)));
    }

    /// <summary>The mean over the second axis, as a product: rows of all tokens with W = (I/L .. I/L).</summary>
    internal static DeviceArray MeanOverLength(DeviceArray x)
    {
        (int batch, int length, int width) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        float[] weights = new float[width * length * width];
        for (int i = 0; i < width; i++)
        {
            for (int t = 0; t < length; t++)
            {
                weights[(((i * length) + t) * width) + i] = 1f / length;
            }
        }

        return Functions.Linear(
            x.Reshape([batch, length * width]), x.Device.Array([width, length * width], weights));
    }
}
