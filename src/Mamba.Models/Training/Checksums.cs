using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mamba.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>The file SHA256SUMS of a checkpoint, in the format of the program sha256sum.</summary>
/// <remarks>
/// The list is not trusted: it may name only regular files in its own folder, each once. Links, pipes and devices are
/// never opened, because reading them may never end.
/// </remarks>
internal static class Checksums
{
    private const string Name = "SHA256SUMS", Separator = "  ";
    private const int LargestList = 1 << 20, Digits = 2 * SHA256.HashSizeInBytes, Piece = 1 << 20;

    /// <summary>Writes the list of all files in a folder, without those of its subfolders.</summary>
    public static void Write(string folder)
    {
        StringBuilder text = new();
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{HashOf(file, default)}{Separator}{Path.GetFileName(file)}\n");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        AtomicFile.Write(Path.Combine(folder, Name), bytes.Length, stream => stream.Write(bytes));
    }

    /// <summary>Checks that all files of a checkpoint are present and unchanged.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="required">Files that must be listed and not empty.</param>
    /// <param name="cancellation">Cancels the check, between two pieces of a file.</param>
    /// <exception cref="InvalidDataException">
    /// A file is missing or damaged, or the list names a file that it must not.
    /// </exception>
    public static void Verify(string folder, ReadOnlySpan<string> required, CancellationToken cancellation)
    {
        Dictionary<string, string> sums = Read(Path.Combine(folder, Name));
        foreach (string name in required)
        {
            if (!sums.ContainsKey(name) || LengthOf(Path.Combine(folder, name)) is null or 0)
            {
                throw new InvalidDataException(
                    $"{folder}: expected {name} in {Name} and in the folder; it is missing or empty.");
            }
        }

        foreach ((string name, string sum) in sums)
        {
            string file = Path.Combine(folder, name);
            if (HashOf(file, cancellation) is not { } found)
            {
                throw new InvalidDataException($"{file}: listed in {Name}; there is no such file.");
            }

            if (found != sum)
            {
                throw new InvalidDataException($"{file}: damaged; its checksum is not the one in {Name}.");
            }
        }
    }

    private static Dictionary<string, string> Read(string path)
    {
        if (LengthOf(path) is not (> 0 and <= LargestList))
        {
            throw new InvalidDataException(
                $"{path}: expected a list of 1 to {LargestList} bytes; it is missing or of another size.");
        }

        Dictionary<string, string> sums = [];
        foreach (string line in File.ReadAllLines(path))
        {
            int at = line.IndexOf(Separator, StringComparison.Ordinal);
            string sum = at < 0 ? "" : line[..at], name = at < 0 ? "" : line[(at + Separator.Length)..];
            bool isPlain = name is not ("" or "." or "..") && name.IndexOfAny(['/', '\\', ':', '\0']) < 0;
            if (sum.Length != Digits || !isPlain || !sums.TryAdd(name, sum))
            {
                throw new InvalidDataException(
                    $"{path}: line {sums.Count + 1}: expected a SHA-256, two spaces, and the name of a file in this " +
                    "folder that no other line has.");
            }
        }

        return sums;
    }

    /// <summary>The length of a file that may be read; null if it is missing, a folder or a link.</summary>
    private static long? LengthOf(string path)
    {
        FileInfo file = new(path);
        return file.Exists && file.LinkTarget is null ? file.Length : null;
    }

    /// <summary>The hash of a file; null if it may not be read.</summary>
    private static string? HashOf(string path, CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (LengthOf(path) is not { } length)
        {
            return null;
        }

        if (length > 0) // a pipe or a device has length 0
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            byte[] piece = new byte[Math.Min(length, Piece)];
            for (long left = length; left > 0;)
            {
                cancellation.ThrowIfCancellationRequested();
                int read = stream.Read(piece, 0, (int)Math.Min(left, piece.Length));
                hash.AppendData(piece, 0, read);
                left = read > 0 ? left - read : 0;
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
