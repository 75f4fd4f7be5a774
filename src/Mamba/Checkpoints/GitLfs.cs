namespace Mamba.Checkpoints;

/// <summary>
/// Recognises Git-LFS pointers: the small text files that replace large files until Git LFS fetches them.
/// </summary>
internal static class GitLfs
{
    /// <summary>Checks the beginning of a file.</summary>
    /// <exception cref="InvalidDataException">The file is a pointer.</exception>
    public static void RefusePointer(string path, ReadOnlySpan<byte> content)
    {
        if (content.StartsWith("version https://git-lfs"u8))
        {
            throw new InvalidDataException(
                $"{path}: found a Git-LFS pointer, a short text in place of the file. Run \"git lfs pull\" in its " +
                "folder, or download the file itself.");
        }
    }

    /// <summary>Checks the beginning of a file.</summary>
    /// <exception cref="InvalidDataException">The file is a pointer.</exception>
    public static void RefusePointer(MappedFile file)
    {
        using BorrowedBytes start = file.Borrow(0, Math.Min(file.Length, 64));
        RefusePointer(file.Path, start.Span);
    }
}
