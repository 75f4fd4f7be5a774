using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Copies rows of tokens between an array, through the order of a scan, and contiguous scratch memory. Skips rows that
/// are null.
/// </summary>
internal static unsafe class TokenRows
{
    /// <summary>How a row is stored: set or added.</summary>
    private interface IStore
    {
        static abstract TLanes Of<TLanes>(TLanes value, float* target)
            where TLanes : struct, ILanes<TLanes>;
    }

    /// <summary>Computes <c>target[i] = source[order[first + i]]</c>.</summary>
    public static void Gather(Rows source, TokenOrder order, nint first, int count, int width, Rows target) =>
        Run<Set>(source, order, first, target, default, 0, count, width);

    /// <summary>Computes <c>target[order[first + i]] = source[i]</c>.</summary>
    public static void Put(Rows source, TokenOrder order, nint first, int count, int width, Rows target) =>
        Run<Set>(source, default, 0, target, order, first, count, width);

    /// <summary>Computes <c>target[order[first + i]] += source[i]</c>.</summary>
    public static void Add(Rows source, TokenOrder order, nint first, int count, int width, Rows target) =>
        Run<Sum>(source, default, 0, target, order, first, count, width);

    /// <summary>Sets rows to zero.</summary>
    public static void Clear(int count, int width, Rows target)
    {
        for (int i = 0; i < count && !target.IsNull; i++)
        {
            new Span<float>(target[i], width).Clear();
        }
    }

    private static void Run<TStore>(
        Rows source, TokenOrder from, nint first, Rows target, TokenOrder to, nint firstTo, int count, int width)
        where TStore : struct, IStore
    {
        if (source.IsNull || target.IsNull)
        {
            return;
        }

        int column = 0;
        if (Width.Has512) { column = Run<Lanes512>(column); }
        if (Width.Has256) { column = Run<Lanes256>(column); }
        if (Width.Has128) { column = Run<Lanes128>(column); }
        Run<Lane>(column);

        int Run<TLanes>(int start)
            where TLanes : struct, ILanes<TLanes>
        {
            int end = start + ((width - start) / TLanes.Count * TLanes.Count);
            for (int i = 0; i < count && start < end; i++)
            {
                float* row = source[from[first + i]], place = target[to[firstTo + i]];
                for (int c = start; c < end; c += TLanes.Count)
                {
                    TLanes.Store(TStore.Of(TLanes.Load(row + c), place + c), place + c);
                }
            }

            return end;
        }
    }

    private readonly struct Set : IStore
    {
        public static TLanes Of<TLanes>(TLanes value, float* target)
            where TLanes : struct, ILanes<TLanes> => value;
    }

    private readonly struct Sum : IStore
    {
        public static TLanes Of<TLanes>(TLanes value, float* target)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(target) + value;
    }
}
