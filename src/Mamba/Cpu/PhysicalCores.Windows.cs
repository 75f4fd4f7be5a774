using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Mamba.Cpu;

/// <content>Windows: parses processor information records.</content>
internal static unsafe partial class PhysicalCores
{
    private const string Kernel = "kernel32";
    private const int RelationProcessorCore = 0;

    // SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX of a core: kind, size, and from GroupStart on GROUP_AFFINITY records,
    // each with a pointer-sized mask of processors, the number of their group, and padding.
    private const int SizeOffset = 4, GroupCountOffset = 30, GroupStart = 32;

    private static int GroupSize => nint.Size + 8;

    /// <summary>Counts the cores in the system's records.</summary>
    /// <param name="records">The output of GetLogicalProcessorInformationEx for cores.</param>
    /// <param name="allowed">
    /// One bit per processor that the process may use. Ignored if there are several groups of processors, because it
    /// describes only one of them.
    /// </param>
    /// <returns>The number of cores; null if the records are damaged, or no core is allowed.</returns>
    internal static int? OfWindows(ReadOnlySpan<byte> records, ulong allowed)
    {
        (int all, int usable, bool hasGroups) = (0, 0, false);
        while (!records.IsEmpty)
        {
            if (records.Length < GroupStart + GroupSize)
            {
                return null;
            }

            uint size = BinaryPrimitives.ReadUInt32LittleEndian(records[SizeOffset..]);
            ushort groups = BinaryPrimitives.ReadUInt16LittleEndian(records[GroupCountOffset..]);
            if (size > records.Length || size < GroupStart + ((long)groups * GroupSize) || groups == 0)
            {
                return null;
            }

            if (BinaryPrimitives.ReadInt32LittleEndian(records) == RelationProcessorCore)
            {
                ReadOnlySpan<byte> affinity = records[GroupStart..]; // a core is in one group
                ulong mask = nint.Size == sizeof(ulong)
                    ? BinaryPrimitives.ReadUInt64LittleEndian(affinity)
                    : BinaryPrimitives.ReadUInt32LittleEndian(affinity);
                hasGroups |= BinaryPrimitives.ReadUInt16LittleEndian(affinity[nint.Size..]) > 0;
                usable += (mask & allowed) != 0 ? 1 : 0;
                all++;
            }

            records = records[(int)size..];
        }

        int count = hasGroups ? all : usable;
        return count > 0 ? count : null;
    }

    private static int? AskWindows()
    {
        uint length = 0;
        GetLogicalProcessorInformationEx(RelationProcessorCore, null, ref length); // fails, and sets the length
        byte[] records = new byte[length];
        fixed (byte* start = records)
        {
            if (!GetLogicalProcessorInformationEx(RelationProcessorCore, start, ref length))
            {
                return null;
            }
        }

        bool isTold = GetProcessAffinityMask(GetCurrentProcess(), out nuint allowed, out _);
        return OfWindows(records.AsSpan(0, (int)length), isTold && allowed != 0 ? allowed : ulong.MaxValue);
    }

    [LibraryImport(Kernel)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetLogicalProcessorInformationEx(int relationship, byte* buffer, ref uint length);

    [LibraryImport(Kernel)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetProcessAffinityMask(nint process, out nuint processMask, out nuint systemMask);

    [LibraryImport(Kernel)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial nint GetCurrentProcess();
}
