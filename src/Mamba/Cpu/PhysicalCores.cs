namespace Mamba.Cpu;

/// <summary>Counts the cores that this process may use: each once, however many hyper-threads it has.</summary>
/// <remarks>
/// The framework counts hyper-threads, which share the vector units and caches of their core; one thread of our kernels
/// keeps those busy. Each system is asked in a file of its own, where what is read and how it is understood are apart,
/// so that the latter can be tested on any machine.
/// </remarks>
internal static partial class PhysicalCores
{
    /// <summary>
    /// Number of cores; where the system does not tell, and where that is less, as under a quota of a container,
    /// <see cref="Environment.ProcessorCount"/>.
    /// </summary>
    public static int Count { get; } = AtMost(Environment.ProcessorCount, Ask());

    /// <summary>At least one core, and not more than there are processors.</summary>
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
