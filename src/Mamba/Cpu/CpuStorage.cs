using System.Runtime.InteropServices;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Cpu;

/// <summary>Native memory, aligned for the widest registers; allocated on first access.</summary>
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

    public override void Free() => NativeMemory.AlignedFree((void*)Interlocked.Exchange(ref _address, 0));

    /// <summary>Allocates memory, unless another thread has done so meanwhile.</summary>
    private float* Take()
    {
        float* taken = Allocate();
        nint before = Interlocked.CompareExchange(ref _address, (nint)taken, 0);
        if (before == 0)
        {
            return taken;
        }

        NativeMemory.AlignedFree(taken);
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
        bool isLarge = OperatingSystem.IsLinux() && bytes >= HugePage;
        void* memory = NativeMemory.AlignedAlloc(checked(bytes + Alignment), isLarge ? HugePage : Alignment);
        if (isLarge)
        {
            _ = Advise(memory, bytes / HugePage * HugePage, AdviseHugePages); // no effect if refused
        }

        return (float*)memory;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
