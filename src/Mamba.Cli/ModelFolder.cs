namespace Mamba.Cli;

/// <summary>Finds the model that a folder on the command line means.</summary>
internal static class ModelFolder
{
    public const string Name = "model", SettingsName = "settings.json";
    private const string Config = "config.json";

    /// <summary>The folder itself if it holds a model; of a run, the model that it ended with.</summary>
    /// <param name="folder">What the user gave.</param>
    /// <exception cref="InvalidDataException">There is no model; the message says what to do.</exception>
    public static string Find(string folder)
    {
        string model = Path.Combine(folder, Name);
        if (File.Exists(Path.Combine(folder, Config)))
        {
            return folder;
        }

        if (File.Exists(Path.Combine(model, Config)))
        {
            return model;
        }

        string reason = !Directory.Exists(folder)
            ? "there is no such folder. A local folder is expected; a name like org/name is a model on the hub, to be downloaded first"
            : File.Exists(Path.Combine(folder, SettingsName))
                ? $"this run has not ended, and has no {Name} yet. Go on with it: mamba train --output {folder} --resume"
            : $"expected a folder with {Config} and weights, or that of a run; {Config} is missing";
        string? checkpoint = Directory.Exists(folder)
            ? Directory.EnumerateDirectories(folder, "step-*").Where(step => File.Exists(Path.Combine(step, Config))).Max()
            : null;
        throw new InvalidDataException($"{folder}: {reason}{(checkpoint is null ? "" : $"; or use its newest checkpoint, {checkpoint}")}.");
    }
}
