using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Mamba.Cpu;

/// <content>Windows: records of the processors' relations.</content>
internal static unsafe partial class PhysicalCores
{
    private const string Kernel = "kernel32";
    private const int RelationProcessorCore = 0;

    // SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX of a core: its kind, its size, and from GroupStart on records
    // GROUP_AFFINITY, each a mask of processors as wide as a pointer, the number of its group, and padding.
    private const int SizeOffset = 4, GroupCountOffset = 30, GroupStart = 32;

    private static int GroupSize => nint.Size + 8;

    /// <summary>Counts the cores in records of the system.</summary>
    /// <param name="records">What GetLogicalProcessorInformationEx wrote of cores.</param>
    /// <param name="allowed">
    /// A bit for each processor that the process may use; disregarded where there are several groups of processors, of
    /// which it would describe one.
    /// </param>
    /// <returns>The number; null where the records are damaged, or none is left.</returns>
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
        GetLogicalProcessorInformationEx(RelationProcessorCore, null, ref length); // fails, and tells the length
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
