using System.Diagnostics;
using System.Globalization;

namespace Mamba.Benchmarks.Quick;

/// <summary>The memory of this process.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status";

    /// <summary>
    /// Private memory of this process, without pages of files, which the system can evict.
    /// </summary>
    public static long PrivateBytes() => Read("RssAnon:") ?? Process.GetCurrentProcess().PrivateMemorySize64;

    /// <summary>Peak resident memory, including pages of mapped files.</summary>
    public static long PeakBytes() => Read("VmHWM:") ?? Process.GetCurrentProcess().PeakWorkingSet64;

    private static long? Read(string name)
    {
        if (!File.Exists(Status))
        {
            return null; // not Linux
        }

        string? line = File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
        return line is null ? null : 1024 * long.Parse(line.Split(' ', '\t')[^2], CultureInfo.InvariantCulture);
    }
}
