using System.Globalization;

namespace Mamba.Cpu;

/// <content>Linux: parses text files of the kernel.</content>
internal static partial class PhysicalCores
{
    private const string Allowed = "Cpus_allowed_list:";
    private const int MaxProcessors = 1 << 16; // the kernel's own limit is 8192

    /// <summary>Counts the cores of the processors that a process may use.</summary>
    /// <param name="status">The text of /proc/self/status, which lists them; null if it cannot be read.</param>
    /// <param name="siblings">
    /// The processors that share a processor's core, as text; null if it is offline, or the kernel does not report it.
    /// </param>
    /// <returns>The number of cores; null if the texts do not contain it.</returns>
    internal static int? OfLinux(string? status, Func<int, string?> siblings)
    {
        string? allowed = status?.Split('\n')
            .FirstOrDefault(line => line.StartsWith(Allowed, StringComparison.Ordinal))?[Allowed.Length..];

        // Hyper-threads of a core have the same text, "0,4" or "0-1".
        HashSet<string> cores = [.. Processors(allowed).Select(siblings).OfType<string>().Select(text => text.Trim())];
        return cores.Count > 0 ? cores.Count : null;
    }

    /// <summary>Parses a list such as <c>0-3,8,10-11</c>; other text gives no processors.</summary>
    internal static IEnumerable<int> Processors(string? list)
    {
        List<int> processors = [];
        foreach (string range in (list ?? "").Split(','))
        {
            string[] ends = range.Split('-');
            if (ends.Length > 2 || !TryParse(ends[0], out int first) || !TryParse(ends[^1], out int last))
            {
                return [];
            }

            for (int processor = first; processor <= last; processor++)
            {
                processors.Add(processor);
            }
        }

        return processors;
    }

    private static bool TryParse(string text, out int processor) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out processor)
        && processor < MaxProcessors;

    private static int? AskLinux() => OfLinux(ReadText("/proc/self/status"), processor =>
    {
        string topology = $"/sys/devices/system/cpu/cpu{processor}/topology";
        return ReadText($"{topology}/core_cpus_list") ?? ReadText($"{topology}/thread_siblings_list"); // the older name
    });

    private static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
