using ILGPU;
using ILGPU.Runtime.Cuda;

namespace Mamba.Gpu.Kernels;

/// <summary>A commutative operation on the values of two threads.</summary>
internal interface ICombine<T>
    where T : unmanaged
{
    static abstract T Of(T a, T b);

    /// <summary>Combines the value with that of another thread of the warp; see <see cref="Neighbour"/>.</summary>
    static abstract T OfNeighbours(T value, int distance);
}

/// <summary><c>a + b</c></summary>
internal readonly struct Adding : ICombine<float>, ICombine<Pair>, ICombine<Quad>, ICombine<Twofold>
{
    public static float Of(float a, float b) => a + b;

    public static Pair Of(Pair a, Pair b) => new(a.A + b.A, a.B + b.B);

    public static Quad Of(Quad a, Quad b) => a + b;

    public static Twofold Of(Twofold a, Twofold b) => a + b;

    public static float OfNeighbours(float value, int distance) => value + Neighbour.Of(value, distance);

    public static Pair OfNeighbours(Pair value, int distance) =>
        Of(value, new Pair(Neighbour.Of(value.A, distance), Neighbour.Of(value.B, distance)));

    public static Quad OfNeighbours(Quad value, int distance) => value + Neighbour.Of(value, distance);

    public static Twofold OfNeighbours(Twofold value, int distance) =>
        value + new Twofold(Neighbour.Of(value.High, distance), Neighbour.Of(value.Low, distance));
}

/// <summary>The larger of two; NaN if either is NaN.</summary>
internal readonly struct Larger : ICombine<float>, ICombine<Quad>
{
    public static float Of(float a, float b) => GpuLane.Max(new(a), new(b)).Value;

    public static Quad Of(Quad a, Quad b) => Quad.Max(a, b);

    public static float OfNeighbours(float value, int distance) => Of(value, Neighbour.Of(value, distance));

    public static Quad OfNeighbours(Quad value, int distance) => Of(value, Neighbour.Of(value, distance));
}

/// <summary>Warp shuffles of CUDA devices. All threads of the warp must call.</summary>
/// <remarks>ILGPU's own shuffle does not compile for OpenCL, even in unreachable code.</remarks>
internal static class Neighbour
{
    /// <summary>
    /// The value of the thread whose index differs in bit <paramref name="distance"/>, a power of two.
    /// </summary>
    public static float Of(float value, int distance)
    {
        float other = value;
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;", out other, value, distance);
        }

        return other;
    }

    public static Quad Of(Quad value, int distance) =>
        new(Of(value.X, distance), Of(value.Y, distance), Of(value.Z, distance), Of(value.W, distance));
}

/// <summary>Reductions over all threads of a group.</summary>
internal static class GroupSum
{
    /// <summary>Maximum number of threads of a group.</summary>
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

/// <summary>Reductions over the threads of a group with the same y, which share a row.</summary>
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

/// <summary>Reductions over the threads of a group with the same x, which share columns.</summary>
internal static class ColumnSum
{
    public static Quad Sum(Quad value) => Sum(value, SharedMemory.Allocate<Quad>(GroupSum.MaxThreads));

    /// <summary>The same, in the caller's shared memory: one quad per thread of the group.</summary>
    public static Quad Sum(Quad value, ArrayView<Quad> shared) =>
        ThreadTree.Run<Quad, Adding>(value, shared, Group.IdxY, Group.DimY, Group.DimX);
}

/// <summary>Reduces values of threads pairwise, in an order that depends on their number only.</summary>
internal static class ThreadTree
{
    /// <summary>Threads of a CUDA warp.</summary>
    private const int WarpSize = 32;

    /// <summary>Reduces values of several threads; each gets the result. All threads of the group must call.</summary>
    /// <param name="value">This thread's value.</param>
    /// <param name="shared">One element per thread of the group.</param>
    /// <param name="index">Index of this thread among those of the reduction.</param>
    /// <param name="count">Number of threads of the reduction, a power of two.</param>
    /// <param name="stride">Distance between them in the order of all threads.</param>
    public static T Run<T, TCombine>(T value, ArrayView<T> shared, int index, int count, int stride)
        where T : unmanaged
        where TCombine : struct, ICombine<T>
    {
        if (CudaAsm.IsSupported && stride == 1 && Group.DimX * Group.DimY >= WarpSize)
        {
            return RunInWarps<T, TCombine>(value, shared, index, count);
        }

        int own = (Group.IdxY * Group.DimX) + Group.IdxX, half = count;
        shared[own] = value;
        Group.Barrier();

        // At least one round: PoCL takes minutes to compile a loop that contains a barrier and may run zero times.
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

    /// <summary>
    /// The same by warp shuffles, for adjacent threads.
    /// </summary>
    private static T RunInWarps<T, TCombine>(T value, ArrayView<T> shared, int index, int count)
        where T : unmanaged
        where TCombine : struct, ICombine<T>
    {
        int half = count < WarpSize ? count : WarpSize;
        while (half > 1)
        {
            half /= 2;
            value = TCombine.OfNeighbours(value, half);
        }

        if (count <= WarpSize)
        {
            return value;
        }

        int warp = ((Group.IdxY * Group.DimX) + Group.IdxX) / WarpSize, first = warp - (index / WarpSize);
        shared[warp] = value; // all threads of the warp write the same value
        Group.Barrier();
        value = shared[first];
        for (int i = 1; i < count / WarpSize; i++)
        {
            value = TCombine.Of(value, shared[first + i]);
        }

        Group.Barrier(); // before the next use of this memory
        return value;
    }
}

/// <summary>Two numbers.</summary>
internal struct Pair(float a, float b)
{
    public float A = a;
    public float B = b;
}
