using Mamba.Gpu;

namespace Mamba.Cli;

/// <summary>The device of the settings <c>--device</c> and <c>--threads</c>.</summary>
internal static class DeviceSetting
{
    /// <summary>What <c>--device</c> takes, for its description.</summary>
    public const string Description =
        "cpu, cuda, opencl, auto (cuda if there is such a GPU, else cpu), or emulation (a slow emulated GPU, for " +
        "tests). cuda:1 is the second GPU; cuda,bfloat16 computes in bfloat16.";

    /// <summary>Reads the settings; nothing is opened.</summary>
    /// <param name="name">The name of the device.</param>
    /// <param name="threads">Number of threads on the CPU; 0: as many as the name or the device says.</param>
    /// <param name="setting">What the user calls the setting of the name.</param>
    /// <exception cref="InvalidDataException">
    /// The name has a wrong form, or a number of threads although <paramref name="threads"/> is one.
    /// </exception>
    public static DeviceName Read(string name, int threads, string setting = "--device")
    {
        DeviceName device = Parse(name, setting);
        if (threads > 0 && device.Threads is not null)
        {
            throw new InvalidDataException(
                $"{setting}: expected cpu without a number, because the number of threads is set to {threads}; found " +
                $"\"{name}\".");
        }

        return threads > 0 ? device with { Threads = threads } : device;
    }

    private static DeviceName Parse(string name, string setting)
    {
        try
        {
            return DeviceName.Parse(name, setting);
        }
        catch (FormatException exception)
        {
            throw new InvalidDataException(exception.Message, exception);
        }
    }
}
