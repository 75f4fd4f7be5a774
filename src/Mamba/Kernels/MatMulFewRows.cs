using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The product <c>y[m, n] = x[m]·w[n] + b[n]</c> for so few rows of x that reading W is what takes the time: W is read
/// once, from its first to its last float, and stays as it is.
/// </summary>
/// <remarks>
/// The lanes run along a row of W. An element is summed up in the same order wherever in a tile it stands, so its bits
/// do not depend on the number of rows.
/// </remarks>
internal readonly unsafe struct MatMulFewRows(
    Rows x, nint rows, int depth, Rows weight, int columns, float* bias, Rows y)
{
    /// <summary>Rows of W that are used together.</summary>
    private const int Height = 4;

    /// <summary>Bytes of W that an item reads: a few microseconds from memory.</summary>
    private const int BytesPerItem = 128 * 1024;

    /// <summary>The longest sequence that takes this route; beyond it, packing W pays.</summary>
    /// <remarks>Measured. Short rows of W favour packing, since each sum ends with an addition across lanes.</remarks>
    public static int MostRows(int depth) => Math.Clamp(depth / 16, 4, 48);

    public int Items => rows == 0 ? 0 : (columns + ColumnsPerItem - 1) / ColumnsPerItem;

    private int ColumnsPerItem
    {
        get
        {
            int rowsOfWeight = BytesPerItem / sizeof(float) / Math.Max(depth, 1);
            return Math.Max(rowsOfWeight / Height, 1) * Height;
        }
    }

    /// <summary>Computes the columns of y of one item.</summary>
    public void Run(int item)
    {
        int first = item * ColumnsPerItem, end = Math.Min(first + ColumnsPerItem, columns);
        for (int n = first; n < end; n += Height)
        {
            int count = Math.Min(Height, end - n);

            // Memory gives most when it is read in one stream: the first row of x fetches the rows of W, one after the
            // other; the rest find them in L1, four at a time.
            MultiplyOne(0, n, count);
            nint m = 1;
            for (; m <= rows - 2; m += 2)
            {
                MultiplyTwo(m, n, count);
            }

            if (m < rows)
            {
                MultiplyOne(m, n, count);
            }
        }
    }

    private void MultiplyOne(nint m, int n, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Store(Dot(x[m], weight[n + i]), m, n + i);
        }
    }

    private void MultiplyTwo(nint m, int n, int count)
    {
        // Where there are fewer than four rows of W, the last stands for those that are missing.
        float* w0 = weight[n], w1 = weight[n + Math.Min(1, count - 1)];
        float* w2 = weight[n + Math.Min(2, count - 1)], w3 = weight[n + Math.Min(3, count - 1)];
        float* sums = stackalloc float[2 * Height];
        new Span<float>(sums, 2 * Height).Clear();
        nint k = 0;
        if (Width.Has512) { k = Dots<Lanes512>(x[m], x[m + 1], w0, w1, w2, w3, k, sums); }
        if (Width.Has256) { k = Dots<Lanes256>(x[m], x[m + 1], w0, w1, w2, w3, k, sums); }
        if (Width.Has128) { k = Dots<Lanes128>(x[m], x[m + 1], w0, w1, w2, w3, k, sums); }
        Dots<Lane>(x[m], x[m + 1], w0, w1, w2, w3, k, sums);
        for (int i = 0; i < count; i++)
        {
            Store(sums[i], m, n + i);
            Store(sums[Height + i], m + 1, n + i);
        }
    }

    private void Store(float sum, nint m, int n) => y[m][n] = bias == null ? sum : sum + bias[n];

    private float Dot(float* x, float* w)
    {
        float sum = 0f;
        nint k = 0;
        if (Width.Has512) { k = Dot<Lanes512>(x, w, k, ref sum); }
        if (Width.Has256) { k = Dot<Lanes256>(x, w, k, ref sum); }
        if (Width.Has128) { k = Dot<Lanes128>(x, w, k, ref sum); }
        Dot<Lane>(x, w, k, ref sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private nint Dot<TLanes>(float* x, float* w, nint k, ref float sum)
        where TLanes : struct, ILanes<TLanes>
    {
        nint end = depth - TLanes.Count;
        if (k > end)
        {
            return k;
        }

        TLanes dot = TLanes.Broadcast(0f);
        for (; k <= end; k += TLanes.Count)
        {
            dot = TLanes.MultiplyAdd(TLanes.Load(x + k), TLanes.Load(w + k), dot);
        }

        sum += TLanes.Sum(dot);
        return k;
    }

    /// <summary>The same for two rows of x and four of W; each sum takes its terms in the order of Dot.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private nint Dots<TLanes>(
        float* x0, float* x1, float* w0, float* w1, float* w2, float* w3, nint k, float* sums)
        where TLanes : struct, ILanes<TLanes>
    {
        nint end = depth - TLanes.Count;
        if (k > end)
        {
            return k;
        }

        Quad<TLanes> dots0 = Quad<TLanes>.Zero, dots1 = Quad<TLanes>.Zero;
        for (; k <= end; k += TLanes.Count)
        {
            Quad<TLanes> w = Quad<TLanes>.Load(w0 + k, w1 + k, w2 + k, w3 + k);
            dots0 = Quad<TLanes>.MultiplyAdd(TLanes.Load(x0 + k), w, dots0);
            dots1 = Quad<TLanes>.MultiplyAdd(TLanes.Load(x1 + k), w, dots1);
        }

        dots0.AddTo(sums);
        dots1.AddTo(sums + Height);
        return k;
    }

    /// <summary>Four registers, one for each row of W.</summary>
    private readonly struct Quad<TLanes>(TLanes v0, TLanes v1, TLanes v2, TLanes v3)
        where TLanes : struct, ILanes<TLanes>
    {
        private readonly TLanes _v0 = v0;
        private readonly TLanes _v1 = v1;
        private readonly TLanes _v2 = v2;
        private readonly TLanes _v3 = v3;

        public static Quad<TLanes> Zero
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => new(TLanes.Broadcast(0f), TLanes.Broadcast(0f), TLanes.Broadcast(0f), TLanes.Broadcast(0f));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Quad<TLanes> Load(float* w0, float* w1, float* w2, float* w3) =>
            new(TLanes.Load(w0), TLanes.Load(w1), TLanes.Load(w2), TLanes.Load(w3));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Quad<TLanes> MultiplyAdd(TLanes x, Quad<TLanes> w, Quad<TLanes> sum) =>
            new(
                TLanes.MultiplyAdd(x, w._v0, sum._v0),
                TLanes.MultiplyAdd(x, w._v1, sum._v1),
                TLanes.MultiplyAdd(x, w._v2, sum._v2),
                TLanes.MultiplyAdd(x, w._v3, sum._v3));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddTo(float* sums)
        {
            sums[0] += TLanes.Sum(_v0);
            sums[1] += TLanes.Sum(_v1);
            sums[2] += TLanes.Sum(_v2);
            sums[3] += TLanes.Sum(_v3);
        }
    }
}
