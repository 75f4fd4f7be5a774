using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mamba.Models.Gguf;

namespace Mamba.Models.Hub;

/// <summary>Chooses the files of a repository that a model consists of.</summary>
internal static partial class HubFiles
{
    private const string Config = "config.json", DefaultType = "Q4_K_M";

    /// <summary>Weights in the order in which they are preferred: one file, or an index and its parts.</summary>
    private static readonly (string File, Regex? Parts)[] _weights =
    [
        ("model.safetensors", null),
        ("model.safetensors.index.json", SafetensorsPart()),
        ("consolidated.safetensors", null),
        ("pytorch_model.bin", null),
    ];

    /// <summary>Files beside the weights that are loaded if they are there.</summary>
    private static readonly string[] _others =
    [
        Config, "generation_config.json", "params.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "tokenizer.model.v3", "vocab.json",
        "merges.txt", "chat_template.jinja", "chat_template.json",
    ];

    /// <summary>The files of a model.</summary>
    /// <param name="all">The repository's files.</param>
    /// <param name="name">The model.</param>
    /// <returns>
    /// The files, and the first GGUF file, which is the model; null if the model is the folder.
    /// </returns>
    /// <exception cref="FileNotFoundException">There is no such model in the repository.</exception>
    public static (IReadOnlyList<string> Files, string? Gguf) Select(IReadOnlyList<string> all, HubName name)
    {
        foreach ((string file, Regex? parts) in _weights)
        {
            if (name.File is null && all.Contains(Config) && all.Contains(file))
            {
                IEnumerable<string> more = parts is null ? [] : all.Where(other => parts.IsMatch(other));
                return ([.. _others.Where(all.Contains), file, .. more], null);
            }
        }

        string[] models = [.. all.Where(file => GgufModel.IsPath(file)).Order(StringComparer.Ordinal)];
        string[] chosen = name.File is { } asked ? Matching(models, asked)
            : models.Length == 1 ? models
            : Matching(models, DefaultType);
        if (chosen.Length == 0 || (chosen.Length > 1 && !chosen.All(file => GgufPart().IsMatch(file))))
        {
            string expected = name.File is null
                ? $"{Config} with weights, or a GGUF file"
                : $"one GGUF file that fits \"{name.File}\"";
            string found = string.Join(", ", models.Length > 0 ? models : all.Take(20));
            throw new FileNotFoundException(
                $"{name.Repository}: expected {expected}; found {(found.Length > 0 ? found : "no file")}.");
        }

        return (chosen, chosen[0]);
    }

    /// <summary>
    /// Whether these are all files of a model. If its weights are divided, an index or the names say into which.
    /// </summary>
    /// <param name="files">The files.</param>
    /// <param name="read">Reads a file.</param>
    public static bool AreWhole(IReadOnlyList<string> files, Func<string, string> read)
    {
        if (files.FirstOrDefault(file => file.EndsWith(".index.json", StringComparison.Ordinal)) is { } index)
        {
            using JsonDocument document = JsonDocument.Parse(read(index));
            return document.RootElement.GetProperty("weight_map").EnumerateObject()
                .All(tensor => files.Contains(tensor.Value.GetString()));
        }

        return files.FirstOrDefault(file => GgufPart().IsMatch(file)) is not { } part
            || files.Count(file => GgufPart().IsMatch(file)) == int.Parse(
                part.AsSpan(part.Length - ".gguf".Length - 5, 5), CultureInfo.InvariantCulture);
    }

    /// <summary>The file of this name; else all whose name has this text between signs.</summary>
    private static string[] Matching(string[] models, string text)
    {
        if (models.Contains(text))
        {
            // All parts of a divided file.
            string stem = GgufPart().Replace(text, "");
            return [.. models.Where(file => file == text || (stem != text && GgufPart().Replace(file, "") == stem))];
        }

        Regex word = new($@"(^|[^A-Za-z0-9]){Regex.Escape(text)}([^A-Za-z0-9_]|$)", RegexOptions.IgnoreCase);
        return [.. models.Where(file => word.IsMatch(file))];
    }

    [GeneratedRegex(@"^model-\d+-of-\d+\.safetensors$")]
    private static partial Regex SafetensorsPart();

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.gguf$")]
    private static partial Regex GgufPart();
}
