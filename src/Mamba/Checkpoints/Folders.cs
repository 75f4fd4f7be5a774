using System.Runtime.InteropServices;

namespace Mamba.Checkpoints;

/// <summary>
/// Makes, replaces and flushes folders so that neither a killed process nor a power failure loses one.
/// </summary>
internal static partial class Folders
{
    private const string Partial = ".partial", Replaced = ".replaced";

    /// <summary>The folder that holds a file or folder.</summary>
    public static string ParentOf(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Path.GetDirectoryName(full) ?? full;
    }

    /// <summary>Makes a folder and those above it, each on the disk before the next.</summary>
    public static void Create(string path)
    {
        if (!Directory.Exists(path))
        {
            string parent = ParentOf(path);
            Create(parent);
            Directory.CreateDirectory(path);
            Flush(parent);
        }
    }

    /// <summary>
    /// Writes the files into a temporary folder, flushes them, and renames the folder to the target. The old folder is
    /// deleted afterwards; if the process is killed in between, <see cref="Recover"/> handles it.
    /// </summary>
    /// <param name="path">The folder to make or replace.</param>
    /// <param name="write">Writes the files into the folder that it is given.</param>
    public static void Write(string path, Action<string> write)
    {
        string partial = path + Partial;
        Create(ParentOf(path));
        Recover(path);
        Delete(partial);
        try
        {
            Directory.CreateDirectory(partial);
            write(partial);
            FlushAll(partial);
            Replace(path, partial);
        }
        catch
        {
            try
            {
                Delete(partial);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // The original error says more; the next write deletes the rest.
            }

            throw;
        }
    }

    /// <summary>
    /// Repairs a folder after a killed process: afterwards it is complete or absent.
    /// </summary>
    public static void Recover(string path)
    {
        Delete(path + Partial);
        string replaced = path + Replaced;
        if (Directory.Exists(replaced))
        {
            if (Directory.Exists(path))
            {
                Delete(replaced);
            }
            else
            {
                Rename(replaced, path);
            }
        }
    }

    /// <summary>Puts right what a killed process left of the folders in a folder.</summary>
    /// <param name="parent">The folder that holds them.</param>
    /// <param name="isOwn">Whether a folder, by its path, is one of them; others stay as they are.</param>
    public static void RecoverAll(string parent, Predicate<string> isOwn)
    {
        foreach (string folder in Directory.GetDirectories(parent, "*" + Partial))
        {
            string path = folder[..^Partial.Length];
            if (isOwn(path.EndsWith(Replaced, StringComparison.Ordinal) ? path[..^Replaced.Length] : path))
            {
                Delete(folder);
            }
        }

        foreach (string folder in Directory.GetDirectories(parent, "*" + Replaced))
        {
            string path = folder[..^Replaced.Length];
            if (isOwn(path))
            {
                Recover(path);
            }
        }
    }

    /// <summary>Deletes a folder, which is renamed first: one that is half deleted must not look whole.</summary>
    public static void Delete(string path)
    {
        if (!Directory.Exists(path))
        {
            return;
        }

        string partial = path;
        if (!path.EndsWith(Partial, StringComparison.Ordinal))
        {
            partial = path + Partial;
            Delete(partial);
            Rename(path, partial);
        }

        Directory.Delete(partial, recursive: true);
    }

    /// <summary>
    /// Flushes what has been made, renamed or deleted in a folder; on Windows a rename needs no flush.
    /// </summary>
    /// <exception cref="IOException">The disk reports an error.</exception>
    public static void Flush(string path)
    {
        const int ReadOnly = 0, InputOutputError = 5; // of Linux and of macOS
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int file = Open(path, ReadOnly);
        if (file < 0)
        {
            return;
        }

        int error = Synchronize(file) == 0 ? 0 : Marshal.GetLastPInvokeError();
        _ = Close(file);
        if (error == InputOutputError) // file systems that cannot flush a folder have other errors
        {
            throw new IOException($"{path}: the folder could not be flushed to the disk.");
        }
    }

    private static void Replace(string path, string partial)
    {
        bool isReplacement = Directory.Exists(path);
        if (isReplacement)
        {
            Directory.Move(path, path + Replaced);
        }

        try
        {
            Rename(partial, path);
        }
        catch when (isReplacement && !Directory.Exists(path))
        {
            Directory.Move(path + Replaced, path);
            throw;
        }

        Delete(path + Replaced);
    }

    private static void Rename(string from, string to)
    {
        Directory.Move(from, to);
        Flush(ParentOf(to));
    }

    private static void FlushAll(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            // Windows flushes only what may be written to.
            FileAccess access = OperatingSystem.IsWindows() ? FileAccess.ReadWrite : FileAccess.Read;
            using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, access);
            RandomAccess.FlushToDisk(handle);
        }

        foreach (string inner in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories))
        {
            Flush(inner);
        }

        Flush(folder);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
