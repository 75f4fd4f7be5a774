using System.Text.RegularExpressions;

namespace Mamba.Models.Checkpoints;

/// <summary>Explains problems with a folder of downloaded or saved files.</summary>
internal static partial class LocalFolder
{
    /// <summary>Returns the path of a file in a folder.</summary>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="FileNotFoundException">The folder has no such file.</exception>
    public static string Require(string folder, string file)
    {
        if (!Directory.Exists(folder))
        {
            string found = File.Exists(folder) ? "a file" : "nothing";
            string advice = HubName().IsMatch(folder)
                ? $" If it is a model on the hub, download it: hf download {folder} --local-dir DIR"
                : "";
            throw new DirectoryNotFoundException(
                $"Expected a local folder with {file}; found {found} at \"{folder}\".{advice}");
        }

        string path = Path.Combine(folder, file);
        return File.Exists(path)
            ? path
            : throw new FileNotFoundException($"Expected {file} in \"{folder}\"; found {FilesIn(folder)}.", path);
    }

    /// <summary>Lists some files of a folder, for messages.</summary>
    public static string FilesIn(string folder)
    {
        const int Shown = 8;
        string[] paths =
            [.. Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal).Take(Shown + 1)];
        return paths.Length == 0
            ? "no files"
            : string.Join(", ", paths.Take(Shown).Select(Path.GetFileName)) + (paths.Length > Shown ? ", …" : "");
    }

    [GeneratedRegex(@"^[\w-][\w.-]*/[\w-][\w.-]*$")]
    private static partial Regex HubName();
}
