namespace Mamba.Tests.Fuzz;

/// <summary>A folder of right files.</summary>
/// <param name="Files">
/// The files by their paths in the folder, divided by slashes; a path that ends in a slash is an empty folder.
/// </param>
/// <param name="Changed">Paths of the files that are changed; the others stay right.</param>
internal sealed record FuzzSeed(IReadOnlyDictionary<string, byte[]> Files, params string[] Changed)
{
    /// <summary>Length of all files.</summary>
    public long Length => Files.Values.Sum(file => (long)file.Length);

    /// <summary>Reads a folder, and those inside it.</summary>
    public static FuzzSeed Of(string folder, params string[] changed) => new(
        Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToDictionary(
            path => Path.GetRelativePath(folder, path).Replace('\\', '/'), File.ReadAllBytes),
        changed);

    /// <summary>The same folder with another file.</summary>
    public FuzzSeed With(string name, byte[] content) =>
        this with { Files = new Dictionary<string, byte[]>(Files) { [name] = content } };

    /// <summary>Makes a folder hold these files and nothing else.</summary>
    public void WriteTo(string folder)
    {
        foreach (string inner in Directory.GetDirectories(folder))
        {
            Directory.Delete(inner, recursive: true);
        }

        foreach (string file in Directory.GetFiles(folder))
        {
            File.Delete(file);
        }

        foreach ((string name, byte[] content) in Files)
        {
            string path = Path.Combine(folder, name);
            if (name.Contains('/'))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            }

            if (!name.EndsWith('/'))
            {
                File.WriteAllBytes(path, content);
            }
        }
    }
}
