using System.Text.RegularExpressions;

namespace Mamba.Models.Hub;

/// <summary>
/// A repository in the cache, as Hugging Face's library lays it out: blobs named by their ETag, and for every commit a
/// folder of links to them.
/// </summary>
/// <remarks>
/// huggingface_hub, "Understand caching": https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
/// </remarks>
internal sealed partial class HubCache(string cacheFolder, HubName name)
{
    private readonly string _folder = Path.Combine(cacheFolder, name.Folder);

    /// <summary>The commit that a revision was at when it was last downloaded; null if it never was.</summary>
    public string? Commit
    {
        get
        {
            if (IsCommit(name.Revision))
            {
                return name.Revision;
            }

            string file = Path.Combine(_folder, "refs", name.Revision);
            return File.Exists(file) && File.ReadAllText(file).Trim() is { } commit && IsCommit(commit) ? commit : null;
        }
    }

    public static bool IsCommit(string text) => Hash().IsMatch(text);

    public string Snapshot(string commit) => Path.Combine(_folder, "snapshots", commit);

    public string FileOf(string commit, string file) => Path.Combine(Snapshot(commit), file);

    public string Blob(string etag) => Path.Combine(_folder, "blobs", etag);

    /// <summary>The files of a commit that are in the cache.</summary>
    public IReadOnlyList<string> FilesOf(string commit)
    {
        string folder = Snapshot(commit);
        return !Directory.Exists(folder)
            ? []
            : [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(File.Exists) // no link to a blob that is gone
                .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/'))];
    }

    /// <summary>Records the commit of the revision.</summary>
    public void Remember(string commit)
    {
        if (name.Revision == commit || Commit == commit)
        {
            return;
        }

        string file = Path.Combine(_folder, "refs", name.Revision), partial = $"{file}.{Path.GetRandomFileName()}";
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(partial, commit);
        File.Move(partial, file, overwrite: true);
    }

    /// <summary>
    /// Makes a blob a file of a commit: by a link, or where the system allows none, by moving it there.
    /// </summary>
    public void Link(string commit, string file, string etag)
    {
        string target = FileOf(commit, file), blob = Blob(etag);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        File.Delete(target); // a link to a blob that is gone
        try
        {
            File.CreateSymbolicLink(target, Path.GetRelativePath(Path.GetDirectoryName(target)!, blob));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            File.Move(blob, target);
        }
    }

    /// <summary>Waits until no other process downloads a blob.</summary>
    /// <returns>Keeps other processes waiting until it is disposed.</returns>
    public async Task<IDisposable> LockAsync(string etag, CancellationToken cancellation)
    {
        string file = Path.Combine(cacheFolder, ".locks", name.Folder, $"{etag}.lock");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        Directory.CreateDirectory(Path.Combine(_folder, "blobs"));
        while (true)
        {
            try
            {
                // On Unix an flock, which Hugging Face's library takes, too.
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(file))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation).ConfigureAwait(false);
            }
        }
    }

    [GeneratedRegex("^[0-9a-f]{40}$")]
    private static partial Regex Hash();
}
