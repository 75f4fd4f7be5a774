using System.Runtime.CompilerServices;
using Mamba.Cpu;
using Mamba.Simd;

namespace Mamba.Benchmarks.Quick;

/// <summary>Measures the limits of this machine with all its processors.</summary>
internal static unsafe class MachineLimits
{
    private const int Chains = 12; // more than FMA latency 4 × 2 units; they fit in 16 registers
    private const int Steps = 2_000_000;
    private const int FloatsPerItem = 32 * 1024;
    private const int Items = 4096; // 512 MB, more than every cache

    /// <summary>Float32 operations per second of independent multiply-adds in the widest registers.</summary>
    public static double FmaPeak() =>
        Width.Has512 ? FmaPeak<Lanes512>()
        : Width.Has256 ? FmaPeak<Lanes256>()
        : Width.Has128 ? FmaPeak<Lanes128>()
        : FmaPeak<Lane>();

    /// <summary>Bytes per second of reads from memory, where each item is one sequential stream.</summary>
    public static double MemoryRead()
    {
        using CpuDevice device = new();
        using Workers workers = new(Environment.ProcessorCount);
        CpuStorage memory = new(device, (nint)Items * FloatsPerItem);
        new Span<float>(memory.Pointer, Items * FloatsPerItem).Fill(1f);

        double seconds = Timing.Seconds(() => workers.Run(&Read, memory.Pointer, Items));

        memory.Free();
        return (double)Items * FloatsPerItem * sizeof(float) / seconds;
    }

    private static double FmaPeak<TLanes>()
        where TLanes : struct, ILanes<TLanes>
    {
        int threads = Environment.ProcessorCount;
        using Workers workers = new(threads);

        double seconds = Timing.Seconds(() => workers.Run(&RunChains<TLanes>, null, threads));

        return 2.0 * TLanes.Count * Chains * Steps * threads / seconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunChains<TLanes>(void* unused, int item)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes a = TLanes.Broadcast(1f), b = TLanes.Broadcast(1e-9f);
        TLanes c0 = b, c1 = b, c2 = b, c3 = b, c4 = b, c5 = b, c6 = b, c7 = b, c8 = b, c9 = b, c10 = b, c11 = b;
        for (int i = 0; i < Steps; i++)
        {
            c0 = TLanes.MultiplyAdd(a, b, c0);
            c1 = TLanes.MultiplyAdd(a, b, c1);
            c2 = TLanes.MultiplyAdd(a, b, c2);
            c3 = TLanes.MultiplyAdd(a, b, c3);
            c4 = TLanes.MultiplyAdd(a, b, c4);
            c5 = TLanes.MultiplyAdd(a, b, c5);
            c6 = TLanes.MultiplyAdd(a, b, c6);
            c7 = TLanes.MultiplyAdd(a, b, c7);
            c8 = TLanes.MultiplyAdd(a, b, c8);
            c9 = TLanes.MultiplyAdd(a, b, c9);
            c10 = TLanes.MultiplyAdd(a, b, c10);
            c11 = TLanes.MultiplyAdd(a, b, c11);
        }

        Keep(TLanes.Sum(c0 + c1 + c2 + c3 + c4 + c5 + (c6 + c7 + c8 + c9 + c10 + c11)));
    }

    private static void Read(void* memory, int item)
    {
        float* source = (float*)memory + ((nint)item * FloatsPerItem);
        Keep(
            Width.Has512 ? Sum<Lanes512>(source)
            : Width.Has256 ? Sum<Lanes256>(source)
            : Width.Has128 ? Sum<Lanes128>(source)
            : Sum<Lane>(source));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<TLanes>(float* source)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes c0 = TLanes.Broadcast(0f), c1 = c0, c2 = c0, c3 = c0;
        for (int i = 0; i < FloatsPerItem; i += 4 * TLanes.Count)
        {
            c0 += TLanes.Load(source + i);
            c1 += TLanes.Load(source + i + TLanes.Count);
            c2 += TLanes.Load(source + i + (2 * TLanes.Count));
            c3 += TLanes.Load(source + i + (3 * TLanes.Count));
        }

        return TLanes.Sum(c0 + c1 + c2 + c3);
    }

    /// <summary>Uses a value, so that the compiler does not remove the loop that computed it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Keep(float value) => _ = value;
}
