namespace Mamba.Checkpoints;

/// <summary>Writes files that are either whole or not there.</summary>
internal static class AtomicFile
{
    private const string Temporary = ".tmp";

    /// <summary>
    /// Writes a temporary file, flushes it, renames it to the target and flushes the folder. If that fails, the old
    /// file stays.
    /// </summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="length">Its length, to detect a full disk early; 0 if unknown.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, long length, Action<FileStream> write)
    {
        string temporary = TemporaryNameOf(path);
        try
        {
            FileStreamOptions options = new()
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 0,
                PreallocationSize = length,
            };
            using (FileStream stream = new(temporary, options))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception exception)
        {
            TryDelete(temporary);
            if (IsTooLarge(exception))
            {
                throw new IOException($"{path}: the file is too large for its disk.", exception);
            }

            throw;
        }

        Folders.Flush(Folders.ParentOf(path));
    }

    /// <summary>A name that no file has, and that <see cref="DeleteLeftovers"/> knows.</summary>
    public static string TemporaryNameOf(string path) => $"{path}.{Guid.NewGuid():n}{Temporary}";

    /// <summary>
    /// Whether a write failed because the file system's limit on file size was reached (EFBIG), an ArgumentException in
    /// .NET.
    /// </summary>
    public static bool IsTooLarge(Exception exception) =>
        exception is ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>Writes a file unless its content is the same already.</summary>
    public static void WriteIfChanged(string path, byte[] content)
    {
        if (!File.Exists(path) || new FileInfo(path).Length != content.Length
            || !File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
        {
            Write(path, content.Length, stream => stream.Write(content));
        }
    }

    /// <summary>Deletes what writers left in a folder when their process was killed.</summary>
    public static void DeleteLeftovers(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, $"*.*{Temporary}"))
        {
            ReadOnlySpan<char> id = Path.GetExtension(Path.GetFileNameWithoutExtension(file.AsSpan())).TrimStart('.');
            if (Guid.TryParseExact(id, "n", out _))
            {
                TryDelete(file);
            }
        }
    }

    /// <summary>What cannot be deleted stays: the error that is already on its way says more.</summary>
    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
