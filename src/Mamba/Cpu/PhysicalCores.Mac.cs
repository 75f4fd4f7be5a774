using System.Runtime.InteropServices;

namespace Mamba.Cpu;

/// <content>macOS: reads a sysctl value. Processes there cannot be bound to processors.</content>
internal static unsafe partial class PhysicalCores
{
    private static int? AskMac()
    {
        int cores = 0;
        nuint length = sizeof(int);
        return SystemControl("hw.physicalcpu", &cores, &length, null, 0) == 0 && length == sizeof(int) && cores > 0
            ? cores
            : null;
    }

    [LibraryImport("libc", EntryPoint = "sysctlbyname", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SystemControl(string name, int* value, nuint* length, void* newValue, nuint newLength);
}
