using Mamba.Models;
using Mamba.Models.Gguf;

namespace Mamba.Cli;

/// <summary>Finds the model that a folder on the command line means.</summary>
internal static class ModelFolder
{
    public const string Name = "model", SettingsName = "settings.json", Checkpoints = "step-*";
    private const string Config = "config.json";

    /// <summary>
    /// The folder itself if it holds a model, or a GGUF file; of a run, the model that it ended with; of a name on the
    /// hub, the model in the cache.
    /// </summary>
    /// <param name="folder">What the user gave.</param>
    /// <exception cref="InvalidDataException">There is no model; the message says what to do.</exception>
    public static string Find(string folder)
    {
        folder = Local(folder);
        string model = Path.Combine(folder, Name);
        if (File.Exists(Path.Combine(folder, Config)) || (GgufModel.IsPath(folder) && File.Exists(folder)))
        {
            return folder;
        }

        if (File.Exists(Path.Combine(model, Config)))
        {
            return model;
        }

        string reason = !Directory.Exists(folder)
            ? "the folder does not exist. Expected a local folder, or the name of a model on the hub, such as org/name"
            : File.Exists(Path.Combine(folder, SettingsName))
                ? $"this run is not finished and has no {Name} yet. Continue it: mamba train --output {folder} " +
                    "--resume"
            : $"expected the folder of a model, with {Config} and weights, or of a run; {Config} is missing";
        string checkpoint = NewestCheckpoint(folder) is { } newest ? $"; or use its newest checkpoint, {newest}" : "";
        throw new InvalidDataException($"{folder}: {reason}{checkpoint}.");
    }

    /// <summary>The path itself, or, if there is none, the model in the cache that it names on the hub.</summary>
    /// <exception cref="InvalidDataException">It is such a name, and the cache lacks the model.</exception>
    public static string Local(string path)
    {
        if (Directory.Exists(path) || File.Exists(path) || !ModelHub.IsName(path))
        {
            return path;
        }

        using ModelHub hub = new();
        return hub.FindInCache(path) ?? throw new InvalidDataException(
            $"{path}: there is no such folder, and the cache has no such model of the hub. Download it: mamba pull " +
            $"{path}");
    }

    /// <summary>
    /// What a new run can begin from: the model of a run, or its newest checkpoint before it has ended.
    /// </summary>
    public static string OfRun(string folder)
    {
        string model = Path.Combine(folder, Name);
        return File.Exists(Path.Combine(model, Config)) ? model : NewestCheckpoint(folder) ?? model;
    }

    private static string? NewestCheckpoint(string folder) => !Directory.Exists(folder)
        ? null
        : Directory.EnumerateDirectories(folder, Checkpoints)
            .Where(step => !Path.HasExtension(step) && File.Exists(Path.Combine(step, Config))) // not .partial
            .Max();
}
