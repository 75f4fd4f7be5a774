using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The product <c>y[m, n] = x[m]·w[n] + b[n]</c> for so few rows of x that reading W is what takes the time: W is read
/// once, in one stream from its first to its last byte, and stays as it is.
/// </summary>
/// <remarks>
/// The lanes run along a row of W. An element is two chains of sums, of the registers with even and with odd numbers, wherever
/// in a tile it stands: so its bits do not depend on the number of rows, nor on the format of W beyond the numbers that it
/// stands for.
/// </remarks>
internal readonly unsafe struct MatMulFewRows<TFormat>(
    Rows x, nint rows, WeightRows weight, int columns, float* bias, Rows y)
    where TFormat : struct, IWeightFormat
{
    /// <summary>Rows of W that are used together.</summary>
    private const int Height = 2;

    /// <summary>Bytes of W that an item reads: some microseconds from memory.</summary>
    private const int BytesPerItem = 64 * 1024;

    /// <summary>The longest rows of W that are made float32 once for all rows of x.</summary>
    private const int MostWidened = 8192;

    private static bool IsFloat32 => typeof(TFormat) == typeof(Float32Weights);

    private int Depth => weight.Width;

    public int Items => rows == 0 ? 0 : (columns + ColumnsPerItem - 1) / ColumnsPerItem;

    private int ColumnsPerItem
    {
        get
        {
            int rowsOfWeight = (int)(BytesPerItem / Math.Max(TFormat.RowBytes(Depth), 1));
            return Math.Max(rowsOfWeight / Height, 1) * Height;
        }
    }

    /// <summary>Computes the columns of y of one item.</summary>
    [SkipLocalsInit]
    public void Run(int item)
    {
        int first = item * ColumnsPerItem, end = Math.Min(first + ColumnsPerItem, columns);
        float* scales = stackalloc float[WeightRow.ScalesLength<TFormat>(Depth)];
        bool widens = !IsFloat32 && rows > 1 && Depth <= MostWidened;
        float* wide = stackalloc float[widens ? Height * Depth : 0];
        for (int n = first; n < end; n += Height)
        {
            int count = Math.Min(Height, end - n);
            if (widens)
            {
                for (int i = 0; i < count; i++)
                {
                    weight.Widen(n + i, 0, Depth, wide + ((nint)i * Depth));
                }

                MultiplyFrom(0, new(wide, Depth), n, count);
                continue;
            }

            // The first row of x fetches those of W; float32 ones then stand in the nearest cache.
            for (int i = 0; i < count; i++)
            {
                WeightRow.ReadScales<TFormat>(weight[n + i], Depth, scales);
                for (nint m = 0; m < (IsFloat32 ? 1 : rows); m++)
                {
                    Store(Dot<TFormat>(x[m], weight[n + i], scales), m, n + i);
                }
            }

            if (IsFloat32)
            {
                float* start = (float*)weight[n];
                MultiplyFrom(1, new(start, (nint)((float*)weight[n + 1] - start)), n, count);
            }
        }
    }

    /// <summary>Multiplies rows of x with one or two rows of W that are float32 and stand close by.</summary>
    private void MultiplyFrom(nint m, Rows w, int n, int count)
    {
        if (count == Height)
        {
            for (; Width.Has512 && m <= rows - 4; m += 4)
            {
                MultiplyFour(m, w, n);
            }

            for (; m <= rows - 2; m += 2)
            {
                MultiplyTwo(m, w, n);
            }
        }

        for (; m < rows; m++)
        {
            for (int i = 0; i < count; i++)
            {
                Store(Dot<Float32Weights>(x[m], (byte*)w[i], null), m, n + i);
            }
        }
    }

    private void Store(float sum, nint m, int n) => y[m][n] = bias == null ? sum : sum + bias[n];

    private void Store(float* sums, nint m, int count, int n)
    {
        for (int i = 0; i < count; i++)
        {
            Store(sums[i], m + (i / Height), n + (i % Height));
        }
    }

    private float Dot<TOf>(float* x, byte* w, float* scales)
        where TOf : struct, IWeightFormat
    {
        float sum = 0f;
        nint k = 0;
        if (Width.Has512) { k = Dot<TOf, Lanes512>(x, w, scales, k, ref sum); }
        if (k < Depth)
        {
            if (Width.Has256) { k = Dot<TOf, Lanes256>(x, w, scales, k, ref sum); }
            if (Width.Has128) { k = Dot<TOf, Lanes128>(x, w, scales, k, ref sum); }
            k = Dot<TOf, Lane>(x, w, scales, k, ref sum);
            sum = k < Depth ? AddLast(x[k], TOf.Load<Lane>(w, k, scales).Value, sum) : sum;
        }

        return sum;
    }

    /// <summary>The last term of an odd number of them.</summary>
    private static float AddLast(float x, float w, float sum) => float.MultiplyAddEstimate(x, w, sum);

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private nint Dot<TOf, TLanes>(float* x, byte* w, float* scales, nint k, ref float sum)
        where TOf : struct, IWeightFormat
        where TLanes : struct, INarrowLanes<TLanes>
    {
        const int ahead = 4096; // bytes; memory answers in the time in which so many are read
        nint end = Depth - (2 * TLanes.Count), step = TOf.RowBytes(32) * TLanes.Count / 16;
        if (k > end)
        {
            return k;
        }

        byte* fetched = w + (TOf.RowBytes(32) * k / 32) + ahead;
        TLanes even = TLanes.Broadcast(0f), odd = even;
        for (; k <= end; k += 2 * TLanes.Count)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(fetched);
                if (step > 64)
                {
                    Sse.Prefetch0(fetched + 64);
                }

                fetched += step;
            }

            TOf.LoadTwo(w, k, scales, out TLanes first, out TLanes second);
            even = TLanes.MultiplyAdd(TLanes.Load(x + k), first, even);
            odd = TLanes.MultiplyAdd(TLanes.Load(x + k + TLanes.Count), second, odd);
        }

        sum += TLanes.Sum(even + odd);
        return k;
    }

    private void MultiplyTwo(nint m, Rows w, int n)
    {
        float* sums = stackalloc float[4];
        new Span<float>(sums, 4).Clear();
        nint k = Width.Has512 ? DotsOfTwo<Lanes512>(x[m], x[m + 1], w, 0, sums) : 0;
        FinishTwo(m, w, k, sums);
        Store(sums, m, 4, n);
    }

    /// <summary>What narrower registers add.</summary>
    private void FinishTwo(nint m, Rows w, nint k, float* sums)
    {
        if (k == Depth)
        {
            return;
        }

        if (Width.Has256) { k = DotsOfTwo<Lanes256>(x[m], x[m + 1], w, k, sums); }
        if (Width.Has128) { k = DotsOfTwo<Lanes128>(x[m], x[m + 1], w, k, sums); }
        k = DotsOfTwo<Lane>(x[m], x[m + 1], w, k, sums);
        for (int i = 0; i < 4 && k < Depth; i++)
        {
            sums[i] = AddLast(x[m + (i / Height)][k], w[i % Height][k], sums[i]);
        }
    }

    private void MultiplyFour(nint m, Rows w, int n)
    {
        float* sums = stackalloc float[8];
        new Span<float>(sums, 8).Clear();
        nint k = DotsOfFour<Lanes512>(m, w, sums);
        FinishTwo(m, w, k, sums);
        FinishTwo(m + 2, w, k, sums + 4);
        Store(sums, m, 8, n);
    }

    /// <summary>Two rows of x and two of W.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private nint DotsOfTwo<TLanes>(float* x0, float* x1, Rows w, nint k, float* sums)
        where TLanes : struct, ILanes<TLanes>
    {
        nint end = Depth - (2 * TLanes.Count);
        if (k > end)
        {
            return k;
        }

        float* w0 = w[0], w1 = w[1];
        Pair<TLanes> even0 = Pair<TLanes>.Zero, odd0 = Pair<TLanes>.Zero;
        Pair<TLanes> even1 = Pair<TLanes>.Zero, odd1 = Pair<TLanes>.Zero;
        for (; k <= end; k += 2 * TLanes.Count)
        {
            Pair<TLanes> even = Pair<TLanes>.Load(w0 + k, w1 + k);
            even0 = Pair<TLanes>.MultiplyAdd(x0 + k, even, even0);
            even1 = Pair<TLanes>.MultiplyAdd(x1 + k, even, even1);
            nint next = k + TLanes.Count;
            Pair<TLanes> odd = Pair<TLanes>.Load(w0 + next, w1 + next);
            odd0 = Pair<TLanes>.MultiplyAdd(x0 + next, odd, odd0);
            odd1 = Pair<TLanes>.MultiplyAdd(x1 + next, odd, odd1);
        }

        Pair<TLanes>.AddSums(even0, odd0, sums);
        Pair<TLanes>.AddSums(even1, odd1, sums + Height);
        return k;
    }

    /// <summary>Four rows of x and two of W: sixteen sums, for machines of 32 registers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private nint DotsOfFour<TLanes>(nint m, Rows w, float* sums)
        where TLanes : struct, ILanes<TLanes>
    {
        nint k = 0, end = Depth - (2 * TLanes.Count);
        float* x0 = x[m], x1 = x[m + 1], x2 = x[m + 2], x3 = x[m + 3], w0 = w[0], w1 = w[1];
        Pair<TLanes> even0 = Pair<TLanes>.Zero, odd0 = Pair<TLanes>.Zero, even1 = Pair<TLanes>.Zero, odd1 = Pair<TLanes>.Zero;
        Pair<TLanes> even2 = Pair<TLanes>.Zero, odd2 = Pair<TLanes>.Zero, even3 = Pair<TLanes>.Zero, odd3 = Pair<TLanes>.Zero;
        for (; k <= end; k += 2 * TLanes.Count)
        {
            Pair<TLanes> even = Pair<TLanes>.Load(w0 + k, w1 + k);
            even0 = Pair<TLanes>.MultiplyAdd(x0 + k, even, even0);
            even1 = Pair<TLanes>.MultiplyAdd(x1 + k, even, even1);
            even2 = Pair<TLanes>.MultiplyAdd(x2 + k, even, even2);
            even3 = Pair<TLanes>.MultiplyAdd(x3 + k, even, even3);
            nint next = k + TLanes.Count;
            Pair<TLanes> odd = Pair<TLanes>.Load(w0 + next, w1 + next);
            odd0 = Pair<TLanes>.MultiplyAdd(x0 + next, odd, odd0);
            odd1 = Pair<TLanes>.MultiplyAdd(x1 + next, odd, odd1);
            odd2 = Pair<TLanes>.MultiplyAdd(x2 + next, odd, odd2);
            odd3 = Pair<TLanes>.MultiplyAdd(x3 + next, odd, odd3);
        }

        Pair<TLanes>.AddSums(even0, odd0, sums);
        Pair<TLanes>.AddSums(even1, odd1, sums + Height);
        Pair<TLanes>.AddSums(even2, odd2, sums + (2 * Height));
        Pair<TLanes>.AddSums(even3, odd3, sums + (3 * Height));
        return k;
    }

    /// <summary>Two registers, one for each row of W.</summary>
    private readonly struct Pair<TLanes>(TLanes v0, TLanes v1)
        where TLanes : struct, ILanes<TLanes>
    {
        private readonly TLanes _v0 = v0;
        private readonly TLanes _v1 = v1;

        public static Pair<TLanes> Zero
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => new(TLanes.Broadcast(0f), TLanes.Broadcast(0f));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Pair<TLanes> Load(float* w0, float* w1) => new(TLanes.Load(w0), TLanes.Load(w1));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Pair<TLanes> MultiplyAdd(float* x, Pair<TLanes> w, Pair<TLanes> sum)
        {
            TLanes factor = TLanes.Load(x);
            return new(TLanes.MultiplyAdd(factor, w._v0, sum._v0), TLanes.MultiplyAdd(factor, w._v1, sum._v1));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void AddSums(Pair<TLanes> even, Pair<TLanes> odd, float* sums)
        {
            sums[0] += TLanes.Sum(even._v0 + odd._v0);
            sums[1] += TLanes.Sum(even._v1 + odd._v1);
        }
    }
}
