using System.Globalization;
using Mamba.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>
/// Locks a run's folder for one trainer of one process; the system releases the lock when the process ends.
/// </summary>
/// <remarks>
/// The lock is an open file (<c>flock</c> on Unix). The file is not deleted when it is closed, because another process
/// may just have locked it. A second file names the owner, because the locked one cannot be read.
/// </remarks>
internal sealed class RunLock : IDisposable
{
    private const string Name = ".lock", OwnerName = ".lock-owner";
    private const int LinuxBusy = 11, MacBusy = 35, WindowsBusy = 32; // EWOULDBLOCK twice, ERROR_SHARING_VIOLATION

    private readonly FileStream _file;
    private readonly string _owner;

    private RunLock(FileStream file, string owner) => (_file, _owner) = (file, owner);

    /// <summary>Locks the folder, and creates it if it does not exist.</summary>
    /// <exception cref="IOException">Another trainer has locked the folder, or it cannot be written to.</exception>
    /// <exception cref="UnauthorizedAccessException">Writing to the folder is not permitted.</exception>
    public static RunLock Take(string folder)
    {
        Folders.Create(folder);
        string owner = Path.Combine(folder, OwnerName);
        FileStream file;
        try
        {
            file = new(
                Path.Combine(folder, Name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException exception) when ((exception.HResult & 0xFFFF) is LinuxBusy or MacBusy or WindowsBusy)
        {
            throw new IOException($"{folder} is in use by {Holder(owner)}; nothing was changed.", exception);
        }

        try
        {
            File.WriteAllText(owner, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new(file, owner);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Unlocks the folder.</summary>
    public void Dispose()
    {
        if (_file.CanRead)
        {
            try
            {
                File.Delete(_owner);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // The lock decides; the next owner overwrites a name that is left behind.
            }

            _file.Dispose();
        }
    }

    private static string Holder(string owner)
    {
        string text = "";
        try
        {
            text = File.ReadAllText(owner);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The owner has not written its number yet.
        }

        return !int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int process) ? "another process"
            : process == Environment.ProcessId ? "another trainer of this process"
            : string.Create(CultureInfo.InvariantCulture, $"process {process}");
    }
}
