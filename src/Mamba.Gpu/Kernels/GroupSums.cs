using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>How values of two threads become one.</summary>
internal interface ICombine<T>
    where T : unmanaged
{
    static abstract T Of(T a, T b);
}

/// <summary><c>a + b</c></summary>
internal readonly struct Adding : ICombine<float>, ICombine<Pair>, ICombine<Quad>, ICombine<Twofold>
{
    public static float Of(float a, float b) => a + b;

    public static Pair Of(Pair a, Pair b) => new(a.A + b.A, a.B + b.B);

    public static Quad Of(Quad a, Quad b) => a + b;

    public static Twofold Of(Twofold a, Twofold b) => a + b;
}

/// <summary>The larger; NaN where there is one.</summary>
internal readonly struct Larger : ICombine<float>, ICombine<Quad>
{
    public static float Of(float a, float b) => GpuLane.Max(new(a), new(b)).Value;

    public static Quad Of(Quad a, Quad b) => Quad.Max(a, b);
}

/// <summary>Over all threads of a group.</summary>
internal static class GroupSum
{
    /// <summary>The largest group.</summary>
    public const int MaxThreads = 256;

    public static float Sum(float value) => Run<float, Adding>(value);

    public static Quad Sum(Quad value) => Run<Quad, Adding>(value);

    public static Twofold Sum(Twofold value) => Run<Twofold, Adding>(value);

    public static Quad Max(Quad value) => Run<Quad, Larger>(value);

    private static T Run<T, TCombine>(T value)
        where T : unmanaged
        where TCombine : struct, ICombine<T> =>
        ThreadTree.Run<T, TCombine>(
            value, SharedMemory.Allocate<T>(MaxThreads), Group.LinearIndex, Group.Dimension.Size, 1);
}

/// <summary>Over the threads of a group that share a row, those of one y.</summary>
internal static class RowSum
{
    public static float Sum(float value) => Run<float, Adding>(value);

    public static Pair Sum(Pair value) => Run<Pair, Adding>(value);

    public static Quad Sum(Quad value) => Run<Quad, Adding>(value);

    public static float Max(float value) => Run<float, Larger>(value);

    private static T Run<T, TCombine>(T value)
        where T : unmanaged
        where TCombine : struct, ICombine<T> =>
        ThreadTree.Run<T, TCombine>(value, SharedMemory.Allocate<T>(GroupSum.MaxThreads), Group.IdxX, Group.DimX, 1);
}

/// <summary>Over the threads of a group that share columns, those of one x.</summary>
internal static class ColumnSum
{
    public static Quad Sum(Quad value) => Sum(value, SharedMemory.Allocate<Quad>(GroupSum.MaxThreads));

    /// <summary>The same in memory that the group has, a four for each thread.</summary>
    public static Quad Sum(Quad value, ArrayView<Quad> shared) =>
        ThreadTree.Run<Quad, Adding>(value, shared, Group.IdxY, Group.DimY, Group.DimX);
}

/// <summary>Combines values of threads pairwise, in an order that is fixed for their number.</summary>
internal static class ThreadTree
{
    /// <summary>What all of some threads' values become, for each of them; all threads of the group call.</summary>
    /// <param name="value">This thread's value.</param>
    /// <param name="shared">A place for each thread of the group.</param>
    /// <param name="index">This thread among those that are combined.</param>
    /// <param name="count">Their number, a power of two.</param>
    /// <param name="stride">From one of them to the next among all threads.</param>
    public static T Run<T, TCombine>(T value, ArrayView<T> shared, int index, int count, int stride)
        where T : unmanaged
        where TCombine : struct, ICombine<T>
    {
        int own = (Group.IdxY * Group.DimX) + Group.IdxX, half = count;
        shared[own] = value;
        Group.Barrier();

        // Once at least: PoCL takes minutes to compile a loop around a barrier that may not run at all.
        do
        {
            half /= 2;
            if (index < half)
            {
                shared[own] = TCombine.Of(shared[own], shared[own + (half * stride)]);
            }

            Group.Barrier();
        }
        while (half > 1);

        T all = shared[own - (index * stride)];
        Group.Barrier(); // before the next use of this memory
        return all;
    }
}

/// <summary>Two numbers.</summary>
internal struct Pair(float a, float b)
{
    public float A = a;
    public float B = b;
}
