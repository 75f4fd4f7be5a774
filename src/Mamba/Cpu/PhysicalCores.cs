namespace Mamba.Cpu;

/// <summary>Counts the physical cores that this process may use.</summary>
/// <remarks>
/// <see cref="Environment.ProcessorCount"/> counts hyper-threads. They share the vector units and caches of a core,
/// which one thread of these kernels keeps busy. Each operating system has its own file, which separates reading from
/// parsing, so that parsing can be tested on any machine.
/// </remarks>
internal static partial class PhysicalCores
{
    /// <summary>
    /// Number of cores, at most <see cref="Environment.ProcessorCount"/>, which a container's quota may limit. Equal to
    /// it if the system does not report the cores.
    /// </summary>
    public static int Count { get; } = AtMost(Environment.ProcessorCount, Ask());

    /// <summary>Limits the number of cores to 1 … <paramref name="processors"/>; null gives the latter.</summary>
    internal static int AtMost(int processors, int? cores) => Math.Clamp(cores ?? processors, 1, processors);

    private static int? Ask()
    {
        try
        {
            return OperatingSystem.IsLinux() ? AskLinux()
                : OperatingSystem.IsWindows() ? AskWindows()
                : OperatingSystem.IsMacOS() ? AskMac()
                : null;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }
}
