namespace Mamba.Tests.Checkpoints;

/// <summary>A folder of its own for a test, gone afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private const string MemoryFolder = "/dev/shm"; // where Linux has a file system in memory

    /// <summary>Makes a folder.</summary>
    /// <param name="inMemory">
    /// Whether it may be in memory, for tests that save thousands of files, each flushed to the disk.
    /// </param>
    public TemporaryFolder(bool inMemory = false) => Path = inMemory && Directory.Exists(MemoryFolder)
        ? Directory.CreateDirectory($"{MemoryFolder}/mamba-tests-{Guid.NewGuid():n}").FullName
        : Directory.CreateTempSubdirectory("mamba-tests-").FullName;

    public string Path { get; }

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file and gives its path.</summary>
    public string Write(string name, byte[] content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
