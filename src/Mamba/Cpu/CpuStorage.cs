using System.Runtime.InteropServices;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Cpu;

/// <summary>
/// Native memory, aligned for the widest registers (but see <see cref="EndsAtGuardPages"/>); allocated on first access.
/// </summary>
internal sealed unsafe partial class CpuStorage(Device device, nint length, Precision precision = Precision.Float32)
    : Storage(device, length, precision)
{
    private const nuint Alignment = 64;

    /// <summary>Size of a huge page, on processors that have them.</summary>
    private const nuint HugePage = 2 << 20;

    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    /// <summary>
    /// Whether the memory of a new array is filled with NaN, to find operations that read uninitialised elements: set
    /// MAMBA_POISON_MEMORY=1. Arrays of more than <see cref="MostPoisoned"/> bytes are not filled, because filling
    /// would allocate memory before its first use.
    /// </summary>
    private static readonly bool PoisonsMemory = Environment.GetEnvironmentVariable("MAMBA_POISON_MEMORY") == "1";

    private const long MostPoisoned = 1 << 26;

    private const int ProtectNone = 0, ProtectReadWrite = 3; // PROT_NONE, PROT_READ | PROT_WRITE

    private const int PrivateAnonymous = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS

    /// <summary>
    /// Whether every array ends where an inaccessible page begins, so that a kernel that reads or writes past the end
    /// stops the process at once: with poisoned memory, on Linux.
    /// </summary>
    public static bool EndsAtGuardPages => PoisonsMemory && OperatingSystem.IsLinux();

    private nint _address;

    /// <summary>The elements; of another type if they are not float32.</summary>
    /// <exception cref="InsufficientMemoryException">The system is out of memory.</exception>
    public float* Pointer => _address != 0 ? (float*)_address : Take();

    public override void Taken()
    {
        if (PoisonsMemory && Bytes <= MostPoisoned)
        {
            NativeMemory.Fill(Pointer, checked((nuint)Bytes), byte.MaxValue); // all bits set is NaN
        }
    }

    public override void Free() => Release(Interlocked.Exchange(ref _address, 0));

    /// <summary>Allocates memory, unless another thread has done so meanwhile.</summary>
    private float* Take()
    {
        float* taken = Allocate();
        nint before = Interlocked.CompareExchange(ref _address, (nint)taken, 0);
        if (before == 0)
        {
            return taken;
        }

        Release((nint)taken);
        return (float*)before;
    }

    /// <summary>Allocates memory; if that fails, frees the pool's memory and tries again.</summary>
    private float* Allocate()
    {
        nuint bytes = (nuint)Bytes;
        try
        {
            return Allocate(bytes);
        }
        catch (OutOfMemoryException)
        {
            Device.TrimPool();
        }

        try
        {
            return Allocate(bytes);
        }
        catch (OutOfMemoryException)
        {
            throw new InsufficientMemoryException(
                $"Asked for {bytes:N0} bytes; the system has no memory left for them.");
        }
    }

    /// <summary>
    /// Allocates memory. A large block is in huge pages if the system grants them: with small pages, the rows of a
    /// matrix are in as many pages as there are rows, more than the TLB holds.
    /// </summary>
    private static float* Allocate(nuint bytes)
    {
        if (EndsAtGuardPages)
        {
            return AllocateGuarded(bytes);
        }

        bool isLarge = OperatingSystem.IsLinux() && bytes >= HugePage;
        void* memory = NativeMemory.AlignedAlloc(checked(bytes + Alignment), isLarge ? HugePage : Alignment);
        if (isLarge)
        {
            _ = Advise(memory, bytes / HugePage * HugePage, AdviseHugePages); // no effect if refused
        }

        return (float*)memory;
    }

    /// <summary>
    /// Allocates memory that ends where an inaccessible page begins. An array takes two mappings, of the 65,530 that
    /// Linux grants a process by default.
    /// </summary>
    private static float* AllocateGuarded(nuint bytes)
    {
        (nuint page, nuint pages) = ((nuint)Environment.SystemPageSize, PagesOf(bytes));
        void* memory = MapMemory(null, pages + page, ProtectReadWrite, PrivateAnonymous, -1, 0);
        if ((nint)memory == -1)
        {
            throw new InsufficientMemoryException("The system maps no more memory.");
        }

        if (Protect((byte*)memory + pages, page, ProtectNone) != 0)
        {
            _ = UnmapMemory(memory, pages + page);
            throw new InsufficientMemoryException("The system protects no more memory.");
        }

        return (float*)((byte*)memory + pages - WordsOf(bytes));
    }

    private void Release(nint address)
    {
        if (!EndsAtGuardPages)
        {
            NativeMemory.AlignedFree((void*)address);
        }
        else if (address != 0)
        {
            (nuint bytes, nuint page) = ((nuint)Bytes, (nuint)Environment.SystemPageSize);
            nuint pages = PagesOf(bytes);
            _ = UnmapMemory((byte*)address + WordsOf(bytes) - pages, pages + page);
        }
    }

    /// <summary>Rounds up to whole words of four bytes.</summary>
    private static nuint WordsOf(nuint bytes) => (bytes + 3) / 4 * 4;

    /// <summary>Rounds up to whole pages.</summary>
    private static nuint PagesOf(nuint bytes)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        return (bytes + page - 1) / page * page;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* MapMemory(void* address, nuint length, int access, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* address, nuint length, int access);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int UnmapMemory(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
