using System.Runtime.InteropServices;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Cpu;

/// <summary>Native memory, aligned for the widest registers; taken when it is first touched.</summary>
internal sealed unsafe partial class CpuStorage(Device device, nint length, Precision precision = Precision.Float32)
    : Storage(device, length, precision)
{
    private const nuint Alignment = 64;

    /// <summary>Size of a huge page on the processors that have them.</summary>
    private const nuint HugePage = 2 << 20;

    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    /// <summary>
    /// Whether memory is filled with NaN when it is taken, so that an operation that reads what nobody has written
    /// shows: set MAMBA_POISON_MEMORY=1 to debug one. Arrays beyond <see cref="MostPoisoned"/> are left alone, since
    /// filling them would take memory that is otherwise taken when it is first used.
    /// </summary>
    private static readonly bool PoisonsMemory = Environment.GetEnvironmentVariable("MAMBA_POISON_MEMORY") == "1";

    private const long MostPoisoned = 1 << 26;

    private nint _address;

    /// <summary>The elements; of another type if they are not float32.</summary>
    /// <exception cref="InsufficientMemoryException">The system gives no memory.</exception>
    public float* Pointer => _address != 0 ? (float*)_address : Take();

    public override void Taken()
    {
        if (PoisonsMemory && Bytes <= MostPoisoned)
        {
            NativeMemory.Fill(Pointer, checked((nuint)Bytes), byte.MaxValue); // all bits set is NaN
        }
    }

    public override void Free() => NativeMemory.AlignedFree((void*)Interlocked.Exchange(ref _address, 0));

    /// <summary>Takes memory, unless another thread has done so meanwhile.</summary>
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

    /// <summary>Takes memory; if there is none, gives back what the pool keeps and tries again.</summary>
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
    /// Takes memory. A large piece stands in huge pages if the system gives them when asked: otherwise rows of a matrix
    /// stand in as many pages as there are rows, more than the TLB holds.
    /// </summary>
    private static float* Allocate(nuint bytes)
    {
        bool isLarge = OperatingSystem.IsLinux() && bytes >= HugePage;
        void* memory = NativeMemory.AlignedAlloc(checked(bytes + Alignment), isLarge ? HugePage : Alignment);
        if (isLarge)
        {
            _ = Advise(memory, bytes / HugePage * HugePage, AdviseHugePages); // if it is not taken, nothing changes
        }

        return (float*)memory;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
