using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>Opens checkpoints.</summary>
/// <example>
/// <code>
/// using ITensorSource weights = TensorSource.Open("mamba-130m-hf"); // safetensors, sharded, or pytorch_model.bin
/// Console.WriteLine($"{weights.Tensors.Count} tensors");
/// </code>
/// </example>
public static class TensorSource
{
    private static readonly string[] _names =
        ["model.safetensors", "model.safetensors.index.json", "consolidated.safetensors", "pytorch_model.bin"];

    /// <summary>
    /// Opens the weights in a folder: the first that exists of <c>model.safetensors</c>,
    /// <c>model.safetensors.index.json</c> with its shards, <c>consolidated.safetensors</c>, and
    /// <c>pytorch_model.bin</c>. A path may name a file, too.
    /// </summary>
    /// <param name="path">A folder; or a file that ends in .safetensors, .json or .bin.</param>
    /// <returns>The open checkpoint, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">None of these files exists.</exception>
    /// <exception cref="InvalidDataException">The file is malformed.</exception>
    /// <remarks>
    /// The file is memory-mapped while it is open. If another program truncates it, reading past the new end kills the
    /// process without an exception. Replacing the file by renaming another one is safe.
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
}
