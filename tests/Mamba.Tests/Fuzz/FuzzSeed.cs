namespace Mamba.Tests.Fuzz;

/// <summary>A folder of right files.</summary>
/// <param name="Files">The files by their names.</param>
/// <param name="Changed">Names of the files that are changed; the others stay right.</param>
internal sealed record FuzzSeed(IReadOnlyDictionary<string, byte[]> Files, params string[] Changed)
{
    /// <summary>Length of all files.</summary>
    public long Length => Files.Values.Sum(file => (long)file.Length);

    /// <summary>Reads a folder.</summary>
    public static FuzzSeed Of(string folder, params string[] changed) =>
        new(Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes), changed);

    /// <summary>The same folder with another file.</summary>
    public FuzzSeed With(string name, byte[] content) =>
        this with { Files = new Dictionary<string, byte[]>(Files) { [name] = content } };
}
