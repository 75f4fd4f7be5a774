using System.Globalization;
using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;
using Mamba.Models.Gguf;

namespace Mamba.Cli.Files;

/// <summary>What <c>mamba inspect</c> finds in a model's files.</summary>
internal sealed record InspectReport
{
    /// <summary>The file or folder.</summary>
    public required string Model { get; init; }

    /// <summary>Its format: gguf, safetensors or pytorch.</summary>
    public required string Format { get; init; }

    /// <summary>The configuration: keys of a GGUF file, or of config.json, with their values as text.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Config { get; init; }

    /// <summary>All tensors, in the order of the file.</summary>
    public required IReadOnlyList<TensorRow> Tensors { get; init; }

    /// <summary>Number of elements of all tensors.</summary>
    public long Parameters => Tensors.Sum(tensor => tensor.Elements);

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes => Tensors.Sum(tensor => tensor.Bytes);

    /// <summary>Tensors by type, the largest part first.</summary>
    public IReadOnlyList<TypeRow> Types =>
    [
        .. Tensors.GroupBy(tensor => tensor.Type)
            .Select(group => new TypeRow(
                group.Key, group.Count(), group.Sum(tensor => tensor.Elements), group.Sum(tensor => tensor.Bytes)))
            .OrderByDescending(row => row.Bytes),
    ];

    /// <summary>A tensor.</summary>
    internal sealed record TensorRow(string Name, string Type, long[] Shape, long Elements, long Bytes);

    /// <summary>The tensors of a type together.</summary>
    internal sealed record TypeRow(string Type, int Tensors, long Elements, long Bytes);

    /// <summary>Reads the headers of a model's files; no weights.</summary>
    /// <param name="path">A GGUF file, a file of weights, or a folder with a model.</param>
    /// <exception cref="InvalidDataException">There is no model, or a file is damaged.</exception>
    public static InspectReport Of(string path)
    {
        if (File.Exists(path) && GgufModel.IsPath(path))
        {
            using GgufFile file = GgufFile.Open(path);
            return new()
            {
                Model = path,
                Format = "gguf",
                Config = [.. file.Keys.Names.Select(key => KeyValuePair.Create(key, file.Keys.Describe(key)))],
                Tensors =
                [
                    .. file.Tensors.Values.Select(tensor => new TensorRow(
                        tensor.Name, tensor.Type.ToString(), tensor.Shape.ToArray(), tensor.Count, tensor.ByteLength)),
                ],
            };
        }

        string model = File.Exists(path) ? path : ModelFolder.Find(path), config = Path.Combine(model, "config.json");
        using ITensorSource source = TensorSource.Open(model);
        return new()
        {
            Model = path,
            Format = Path.GetExtension(source.Path).ToUpperInvariant() is ".SAFETENSORS" or ".JSON"
                ? "safetensors"
                : "pytorch",
            Config = File.Exists(config)
                ? [.. ConfigJson.Load(config).RawValues.Select(pair => KeyValuePair.Create(pair.Key, pair.Value))]
                : [],
            Tensors =
            [
                .. source.Tensors.Values.Select(tensor => new TensorRow(
                    tensor.Name, tensor.Type.ToString(), tensor.Shape.ToArray(), tensor.Count, tensor.ByteLength)),
            ],
        };
    }

    /// <summary>A number of bytes, for people.</summary>
    public static string Size(long bytes) => bytes switch
    {
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
        < 10_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:N0} kB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N0} MB"),
    };
}
