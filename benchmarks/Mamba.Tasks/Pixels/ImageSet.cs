using Mamba.Models.Generation;

namespace Mamba.Tasks.Pixels;

/// <summary>Square grey images with labels 0 to 9, cut into patches that are read row by row.</summary>
internal sealed class ImageSet
{
    /// <summary>Number of labels.</summary>
    public const int Classes = 10;

    private readonly byte[] _pixels;
    private readonly byte[] _labels;
    private readonly int _side;
    private readonly int _patch;
    private readonly float _mean;
    private readonly float _deviation;

    private ImageSet(byte[] pixels, byte[] labels, int side, int patch, float mean, float deviation)
    {
        (_pixels, _labels, _side, _patch, _mean, _deviation) = (pixels, labels, side, patch, mean, deviation);
    }

    /// <summary>Number of images.</summary>
    public int Count => _labels.Length;

    /// <summary>Patches of an image.</summary>
    public int Length => _side / _patch * (_side / _patch);

    /// <summary>Pixels of a patch.</summary>
    public int PatchPixels => _patch * _patch;

    /// <summary>Reads the images for training and for testing from a folder.</summary>
    /// <param name="folder">Holds the four files, plain or compressed.</param>
    /// <param name="patch">Side of a patch, in pixels.</param>
    /// <exception cref="FileNotFoundException">A file is not there.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files do not fit together.</exception>
    public static (ImageSet Training, ImageSet Test) Read(string folder, int patch)
    {
        (byte[] pixels, byte[] labels, int side) = ReadPair(folder, "train");
        (byte[] testPixels, byte[] testLabels, int testSide) = ReadPair(folder, "t10k");
        if (testSide != side || side % patch != 0)
        {
            throw new InvalidDataException(
                $"Expected images whose side is a multiple of {patch}; " +
                $"found {side} pixels for training, {testSide} for tests.");
        }

        double mean = pixels.Average(pixel => (double)pixel);
        double deviation = Math.Sqrt(pixels.Average(pixel => (pixel - mean) * (pixel - mean)));
        return (
            new(pixels, labels, side, patch, (float)mean, (float)deviation),
            new(testPixels, testLabels, side, patch, (float)mean, (float)deviation));
    }

    /// <summary>The labels of some images.</summary>
    public int[] Labels(ReadOnlySpan<int> images)
    {
        int[] labels = new int[images.Length];
        for (int i = 0; i < labels.Length; i++)
        {
            labels[i] = _labels[images[i]];
        }

        return labels;
    }

    /// <summary>
    /// The pixels of images, patch after patch, with mean 0 and deviation 1 over the training images.
    /// </summary>
    /// <returns>Shape [images, length, patchPixels].</returns>
    public float[] Patches(ReadOnlySpan<int> images)
    {
        float[] patches = new float[images.Length * _side * _side];
        int next = 0;
        foreach (int image in images)
        {
            for (int i = 0; i < _side * _side; i++)
            {
                (int patch, int inside) = Math.DivRem(i, PatchPixels);
                int row = (patch / (_side / _patch) * _patch) + (inside / _patch);
                int column = (patch % (_side / _patch) * _patch) + (inside % _patch);
                patches[next++] = (_pixels[(((image * _side) + row) * _side) + column] - _mean) / _deviation;
            }
        }

        return patches;
    }

    /// <summary>The order in which an epoch goes through the images.</summary>
    public int[] Order(int seed, long epoch)
    {
        SplitMix64 random = Sampling.Stream((ulong)seed, Split.Training, epoch);
        int[] order = [.. Enumerable.Range(0, Count)];
        random.Shuffle(order);
        return order;
    }

    private static (byte[] Pixels, byte[] Labels, int Side) ReadPair(string folder, string name)
    {
        string imagePath = Find(folder, $"{name}-images-idx3-ubyte");
        IdxFile images = IdxFile.Read(imagePath, 3);
        IdxFile labels = IdxFile.Read(Find(folder, $"{name}-labels-idx1-ubyte"), 1);
        if (images.Sizes[0] != labels.Sizes[0] || images.Sizes[1] != images.Sizes[2])
        {
            throw new InvalidDataException(
                $"{imagePath}: expected {labels.Sizes[0]} square images, as there are labels; " +
                $"found [{string.Join(", ", images.Sizes)}].");
        }

        if (labels.Data.Max() >= Classes)
        {
            throw new InvalidDataException($"Expected labels below {Classes}; found {labels.Data.Max()} in {folder}.");
        }

        return (images.Data, labels.Data, images.Sizes[1]);
    }

    private static string Find(string folder, string name)
    {
        string plain = Path.Combine(folder, name), compressed = plain + ".gz";
        if (File.Exists(plain) || File.Exists(compressed))
        {
            return File.Exists(plain) ? plain : compressed;
        }

        throw new FileNotFoundException(
            $"Looked for {name} and {name}.gz in \"{folder}\"; found neither. Fashion-MNIST has them: " +
            "https://github.com/zalandoresearch/fashion-mnist, or Debian's package dataset-fashion-mnist, which puts " +
            "them into /usr/share/datasets/fashion-mnist. MNIST has files of the same names.");
    }
}
