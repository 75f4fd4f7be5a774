namespace Mamba.Models.Checkpoints;

/// <summary>Opens checkpoints, and checks what is asked of them.</summary>
public static class TensorSource
{
    private static readonly string[] _names =
        ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];

    /// <summary>
    /// Opens the weights in a folder: <c>model.safetensors</c>, or else <c>model.safetensors.index.json</c> and its
    /// shards, or else <c>pytorch_model.bin</c>. A file may be named instead of the folder.
    /// </summary>
    /// <param name="path">A folder; or a file that ends in .safetensors, .json or .bin.</param>
    /// <returns>The open checkpoint, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">There is none of these files.</exception>
    /// <exception cref="InvalidDataException">The file does not keep to its format.</exception>
    /// <remarks>
    /// The file is mapped into memory while it is open. If another program cuts it short meanwhile, the process ends
    /// without an exception when it reads beyond the new end. Replacing the file by renaming another one is safe.
    /// </remarks>
    public static ITensorSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string file = Directory.Exists(path) ? FileIn(path)
            : File.Exists(path) ? path
            : throw new FileNotFoundException(
                $"Expected a folder or file of weights; found nothing at \"{path}\".", path);
        return Path.GetExtension(file).ToUpperInvariant() switch
        {
            ".SAFETENSORS" => SafetensorsFile.Open(file),
            ".JSON" => ShardedSafetensors.Open(file),
            ".BIN" or ".PT" or ".PTH" => TorchFile.Open(file),
            _ => throw new InvalidDataException(
                $"{file}: cannot tell the format by the name; expected .safetensors, .safetensors.index.json or .bin."),
        };
    }

    private static string FileIn(string folder) =>
        _names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
        ?? throw new FileNotFoundException(
            $"Expected {string.Join(" or ", _names)} in \"{folder}\"; found {LocalFolder.FilesIn(folder)}.", folder);

    /// <summary>Finds a tensor.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    internal static TensorInfo Find(this ITensorSource source, string name) =>
        source.Tensors.TryGetValue(name, out TensorInfo? info)
            ? info
            : throw new InvalidDataException(
                $"{source.Path}: expected a tensor \"{name}\"; found none of that name among {source.Tensors.Count}.");

    /// <summary>Checks that a span is as long as a tensor.</summary>
    internal static void CheckWhole(this ITensorSource source, TensorInfo info, int length)
    {
        if (length != info.Count)
        {
            throw new ArgumentException(
                $"{source.Path}: tensor \"{info.Name}\" is {info}, {info.Count} elements; found a span of {length}.");
        }
    }

    /// <summary>Checks that a tensor has the sizes that something else demands.</summary>
    internal static void CheckShape(this ITensorSource source, TensorInfo info, int[] expected, string because)
    {
        bool equal = info.Shape.Length == expected.Length;
        for (int i = 0; equal && i < expected.Length; i++)
        {
            equal = info.Shape[i] == expected[i];
        }

        if (!equal)
        {
            throw new InvalidDataException(
                $"{source.Path}: \"{info.Name}\" has shape [{string.Join(", ", info.Shape.ToArray())}]; " +
                $"expected [{string.Join(", ", expected)}] {because}.");
        }
    }

    /// <summary>Checks that a part lies inside a tensor.</summary>
    internal static void CheckRange(this ITensorSource source, TensorInfo info, long start, int length)
    {
        if (start < 0 || start > info.Count - length)
        {
            throw new ArgumentException(
                $"{source.Path}: tensor \"{info.Name}\" is {info}, {info.Count} elements; " +
                $"found a request for {length} from element {start}.");
        }
    }

    /// <summary>Checks that a tensor's elements are of a type that can be read as asked.</summary>
    internal static void CheckType(this ITensorSource source, TensorInfo info, bool readable, string expected)
    {
        if (!readable)
        {
            throw new InvalidDataException(
                $"{source.Path}: tensor \"{info.Name}\": expected elements {expected}; found {info.Type}.");
        }
    }
}
