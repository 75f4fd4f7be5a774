using System.Globalization;
using Mamba.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>The checkpoints of a run: a folder each, which is whole or not there.</summary>
/// <remarks>
/// A checkpoint is written under a temporary name with its checksums, flushed to the disk, and renamed. The leftovers
/// of a killed process are repaired when the folder is locked again.
/// </remarks>
internal sealed class RunFolder(string path, int keep) : IDisposable
{
    private const string Prefix = "step-";

    private RunLock? _lock;

    public string Path { get; } = path;

    /// <summary>The checkpoints, newest first.</summary>
    public IReadOnlyList<string> Checkpoints => !Directory.Exists(Path)
        ? []
        : [.. Directory.EnumerateDirectories(Path, Prefix + "*")
            .Where(folder => StepOf(folder) is not null)
            .OrderByDescending(StepOf)];

    /// <summary>The checkpoint of a step, whether it is there or not.</summary>
    public string this[long step] =>
        System.IO.Path.Combine(Path, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}"));

    /// <summary>
    /// Locks the folder, checks that it is writable, and repairs the leftovers of a killed process.
    /// </summary>
    /// <param name="taken">
    /// A lock that the program already holds, which this folder takes over; null locks the folder.
    /// </param>
    /// <exception cref="IOException">Another trainer has the folder, or it cannot be written to.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written to.</exception>
    public void Claim(RunLock? taken = null)
    {
        if (_lock is null)
        {
            _lock = taken ?? RunLock.Take(Path);
            AtomicFile.DeleteLeftovers(Path);
            Folders.RecoverAll(Path, folder => StepOf(folder) is not null);
            string probe = System.IO.Path.Combine(Path, AtomicFile.TemporaryNameOf("probe")); // that no file has
            AtomicFile.Write(probe, 0, _ => { });
            File.Delete(probe);
        }
    }

    /// <summary>Saves a checkpoint; one of the same step is replaced.</summary>
    /// <param name="step">Names the checkpoint.</param>
    /// <param name="write">Writes its files into the folder that it is given.</param>
    /// <returns>The folder.</returns>
    public string Save(long step, Action<string> write)
    {
        string target = this[step];
        Folders.Write(target, folder =>
        {
            write(folder);
            Checksums.Write(folder);
        });
        return target;
    }

    /// <summary>
    /// Deletes the checkpoints before a step, except the newest and the best. Checkpoints after the step, which a
    /// resume rejected, stay until the run has passed them.
    /// </summary>
    /// <param name="step">The checkpoint that was just saved.</param>
    /// <param name="best">The step of the best evaluation; null: there is none.</param>
    public void DeleteOld(long step, long? best)
    {
        foreach (string old in Checkpoints.Where(folder => StepOf(folder) <= step).Skip(keep))
        {
            if (StepOf(old) != best)
            {
                Folders.Delete(old);
            }
        }
    }

    /// <summary>Frees the folder for others.</summary>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    /// <summary>The step of a checkpoint; null if the folder's name is that of none.</summary>
    private static long? StepOf(string folder)
    {
        ReadOnlySpan<char> name = System.IO.Path.GetFileName(folder.AsSpan());
        return name.StartsWith(Prefix, StringComparison.Ordinal) && long.TryParse(
            name[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;
    }
}
