using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>The checkpoints of a run: a folder each, which is whole or not there.</summary>
/// <remarks>
/// A checkpoint is written beside its place, every file is flushed to the disk, then the checksums (in the form of the
/// program sha256sum), and the folder is renamed. What a killed process leaves is deleted by the next save.
/// </remarks>
internal sealed class RunFolder(string path, int keep)
{
    private const string Prefix = "step-", Partial = ".partial", Sums = "SHA256SUMS";

    public string Path { get; } = path;

    /// <summary>The checkpoints, newest first.</summary>
    public IReadOnlyList<string> Checkpoints => !Directory.Exists(Path)
        ? []
        : [.. Directory.EnumerateDirectories(Path, Prefix + "*")
            .Where(folder => StepOf(folder) is not null)
            .OrderByDescending(StepOf)];

    /// <summary>Saves a checkpoint, and then deletes those that are too old.</summary>
    /// <param name="step">Names the checkpoint.</param>
    /// <param name="write">Writes its files into the folder that it is given.</param>
    /// <returns>The folder.</returns>
    public string Save(long step, Action<string> write)
    {
        Directory.CreateDirectory(Path);
        DeletePartial();
        string target = System.IO.Path.Combine(Path, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}"));
        string partial = target + Partial;
        try
        {
            Directory.CreateDirectory(partial);
            write(partial);
            WriteSums(partial);
            if (Directory.Exists(target))
            {
                Directory.Move(target, $"{target}.replaced{Partial}");
            }

            Directory.Move(partial, target);
        }
        finally
        {
            DeletePartial();
        }

        foreach (string old in Checkpoints.Skip(keep))
        {
            // Renamed first: a folder that is being deleted must not look like a checkpoint.
            Directory.Move(old, old + Partial);
            Directory.Delete(old + Partial, recursive: true);
        }

        return target;
    }

    /// <summary>Makes the folder, and a file in it, so that a folder that cannot be written to is noticed first.</summary>
    public void RequireWritable()
    {
        Directory.CreateDirectory(Path);
        string probe = System.IO.Path.Combine(Path, $"{Guid.NewGuid():n}{Partial}");
        File.WriteAllBytes(probe, []);
        File.Delete(probe);
    }

    /// <summary>Checks that all files of a checkpoint are there as they were written.</summary>
    /// <exception cref="InvalidDataException">One is missing or damaged.</exception>
    public static void Verify(string checkpoint)
    {
        string sums = System.IO.Path.Combine(checkpoint, Sums);
        string[] lines = File.Exists(sums) ? File.ReadAllLines(sums) : [];
        if (lines.Length == 0)
        {
            throw new InvalidDataException($"{sums}: missing or empty; expected a line for each file.");
        }

        foreach (string line in lines)
        {
            string[] parts = line.Split("  ", 2);
            string file = parts.Length == 2 ? System.IO.Path.Combine(checkpoint, parts[1]) : "";
            string found = File.Exists(file) ? HashOf(file) : "no file";
            if (found != parts[0])
            {
                throw new InvalidDataException($"{sums}: expected \"{line}\"; found {found}.");
            }
        }
    }

    private static void WriteSums(string folder)
    {
        StringBuilder text = new();
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{HashOf(file)}  {System.IO.Path.GetFileName(file)}\n");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        AtomicFile.Write(System.IO.Path.Combine(folder, Sums), bytes.Length, stream => stream.Write(bytes));
    }

    private static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static long? StepOf(string folder) => long.TryParse(
        System.IO.Path.GetFileName(folder).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step)
        ? step
        : null;

    private void DeletePartial()
    {
        foreach (string left in Directory.EnumerateDirectories(Path, $"{Prefix}*{Partial}"))
        {
            Directory.Delete(left, recursive: true);
        }
    }
}
