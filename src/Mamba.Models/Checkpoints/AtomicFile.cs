namespace Mamba.Models.Checkpoints;

/// <summary>Writes files that are either whole or not there.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the target, flushes to the disk and renames; if that fails, the old file stays.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="length">Its length where it is known, so that a full disk is noticed first; else 0.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, long length, Action<FileStream> write)
    {
        string temporary = $"{path}.{Guid.NewGuid():n}.tmp";
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
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
