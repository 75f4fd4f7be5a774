using System.Globalization;
using Mamba.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>The checkpoints of a run, each a folder that is complete or absent.</summary>
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

    /// <summary>The folder of the checkpoint of a step, which may not exist.</summary>
    public string this[long step] =>
        System.IO.Path.Combine(Path, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}"));

    /// <summary>
    /// Locks the folder, checks that it is writable, and repairs the leftovers of a killed process.
    /// </summary>
    /// <param name="taken">
    /// A lock that the program already holds, which this folder takes ownership of; null locks the folder.
    /// </param>
    /// <exception cref="IOException">Another trainer has locked the folder, or it cannot be written to.</exception>
    /// <exception cref="UnauthorizedAccessException">Writing to the folder is not permitted.</exception>
    public void Claim(RunLock? taken = null)
    {
        if (_lock is null)
        {
            _lock = taken ?? RunLock.Take(Path);
            AtomicFile.DeleteLeftovers(Path);
            Folders.RecoverAll(Path, folder => StepOf(folder) is not null);
            string probe = System.IO.Path.Combine(Path, AtomicFile.TemporaryNameOf("probe")); // an unused name
            AtomicFile.Write(probe, 0, _ => { });
            File.Delete(probe);
        }
    }

    /// <summary>Saves a checkpoint; one of the same step is replaced.</summary>
    /// <param name="step">The step, which names the checkpoint.</param>
    /// <param name="write">Writes the files into a folder, its argument.</param>
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
    /// <param name="best">The step of the best evaluation; null if there was none.</param>
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

    /// <summary>Unlocks the folder.</summary>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    /// <summary>The step of a checkpoint; null if the folder's name is not a checkpoint's.</summary>
    private static long? StepOf(string folder)
    {
        ReadOnlySpan<char> name = System.IO.Path.GetFileName(folder.AsSpan());
        return name.StartsWith(Prefix, StringComparison.Ordinal) && long.TryParse(
            name[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;
    }
}
