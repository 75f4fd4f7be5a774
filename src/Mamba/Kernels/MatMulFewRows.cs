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
    private const int Height = 4;

    /// <summary>Bytes of a row of W that is so short that adding up its lanes weighs more than reading it.</summary>
    private const int ShortRow = 1024;

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
            nint own = IsFloat32 ? 1 : rows;
            if (count == Height && TFormat.Block == 0 && TFormat.RowBytes(Depth) <= ShortRow)
            {
                for (nint m = 0; m < own; m++)
                {
                    MultiplyShort(m, n);
                }
            }
            else
            {
                for (int i = 0; i < count; i++)
                {
                    WeightRow.ReadScales<TFormat>(weight[n + i], Depth, scales);
                    for (nint m = 0; m < own; m++)
                    {
                        Store(Dot<TFormat>(x[m], weight[n + i], scales), m, n + i);
                    }
                }
            }

            if (IsFloat32 && rows > 1)
            {
                float* start = (float*)weight[n];
                MultiplyFrom(1, new(start, (nint)((float*)weight[n + 1] - start)), n, count);
            }
        }
    }

    /// <summary>Multiplies rows of x with at most four rows of W that are float32 and stand close by.</summary>
    private void MultiplyFrom(nint m, Rows w, int n, int count)
    {
        if (count == Height)
        {
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

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private float Dot<TOf>(float* x, byte* w, float* scales)
        where TOf : struct, IWeightFormat
    {
        float sum = 0f;
        nint k = 0;
        if (Width.Has512) { k = Dot<TOf, Lanes512>(x, w, scales, k, ref sum); }
        if (Width.Has256 && k < Depth) { k = Dot<TOf, Lanes256>(x, w, scales, k, ref sum); }
        if (Width.Has128 && k < Depth) { k = Dot<TOf, Lanes128>(x, w, scales, k, ref sum); }
        if (k < Depth) { k = Dot<TOf, Lane>(x, w, scales, k, ref sum); }
        return k < Depth ? AddLast(x[k], TOf.Load<Lane>(w, k, scales).Value, sum) : sum;
    }

    /// <summary>The last term of an odd number of them.</summary>
    private static float AddLast(float x, float w, float sum) => float.MultiplyAddEstimate(x, w, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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

    /// <summary>Four short rows of W, whose lanes are added up together.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void MultiplyShort(nint m, int n)
    {
        float* sums = stackalloc float[Height];
        new Span<float>(sums, Height).Clear();
        nint k = 0;
        if (Width.Has512) { k = ShortDots<Lanes512>(x[m], n, k, sums); }
        if (Width.Has256 && k < Depth) { k = ShortDots<Lanes256>(x[m], n, k, sums); }
        if (Width.Has128 && k < Depth) { k = ShortDots<Lanes128>(x[m], n, k, sums); }
        if (k < Depth) { k = ShortDots<Lane>(x[m], n, k, sums); }
        for (int i = 0; i < Height; i++)
        {
            float sum = k < Depth ? AddLast(x[m][k], TFormat.Load<Lane>(weight[n + i], k, null).Value, sums[i]) : sums[i];
            Store(sum, m, n + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nint ShortDots<TLanes>(float* x, int n, nint k, float* sums)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nint end = Depth - (2 * TLanes.Count);
        if (k > end)
        {
            return k;
        }

        byte* w0 = weight[n], w1 = weight[n + 1], w2 = weight[n + 2], w3 = weight[n + 3];
        Four<TLanes> even = Four<TLanes>.Zero, odd = Four<TLanes>.Zero;
        for (; k <= end; k += 2 * TLanes.Count)
        {
            even = Four<TLanes>.MultiplyAdd(x + k, Four<TLanes>.Load<TFormat>(w0, w1, w2, w3, k), even);
            nint next = k + TLanes.Count;
            odd = Four<TLanes>.MultiplyAdd(x + next, Four<TLanes>.Load<TFormat>(w0, w1, w2, w3, next), odd);
        }

        Four<TLanes>.AddSums(even, odd, sums);
        return k;
    }

    /// <summary>Two rows of x and four of W, float32: sixteen sums where there are 32 registers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void MultiplyTwo(nint m, Rows w, int n)
    {
        float* sums = stackalloc float[2 * Height];
        new Span<float>(sums, 2 * Height).Clear();
        nint k = 0;
        if (Width.Has512) { k = Dots<Lanes512>(x[m], x[m + 1], w, k, sums); }
        if (Width.Has256 && k < Depth) { k = Dots<Lanes256>(x[m], x[m + 1], w, k, sums); }
        if (Width.Has128 && k < Depth) { k = Dots<Lanes128>(x[m], x[m + 1], w, k, sums); }
        if (k < Depth) { k = Dots<Lane>(x[m], x[m + 1], w, k, sums); }
        for (int i = 0; i < 2 * Height; i++)
        {
            nint row = m + (i / Height);
            int column = i % Height;
            Store(k < Depth ? AddLast(x[row][k], w[column][k], sums[i]) : sums[i], row, n + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nint Dots<TLanes>(float* x0, float* x1, Rows w, nint k, float* sums)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nint end = Depth - (2 * TLanes.Count);
        if (k > end)
        {
            return k;
        }

        byte* w0 = (byte*)w[0], w1 = (byte*)w[1], w2 = (byte*)w[2], w3 = (byte*)w[3];
        Four<TLanes> even0 = Four<TLanes>.Zero, odd0 = Four<TLanes>.Zero;
        Four<TLanes> even1 = Four<TLanes>.Zero, odd1 = Four<TLanes>.Zero;
        for (; k <= end; k += 2 * TLanes.Count)
        {
            Four<TLanes> even = Four<TLanes>.Load<Float32Weights>(w0, w1, w2, w3, k);
            even0 = Four<TLanes>.MultiplyAdd(x0 + k, even, even0);
            even1 = Four<TLanes>.MultiplyAdd(x1 + k, even, even1);
            nint next = k + TLanes.Count;
            Four<TLanes> odd = Four<TLanes>.Load<Float32Weights>(w0, w1, w2, w3, next);
            odd0 = Four<TLanes>.MultiplyAdd(x0 + next, odd, odd0);
            odd1 = Four<TLanes>.MultiplyAdd(x1 + next, odd, odd1);
        }

        Four<TLanes>.AddSums(even0, odd0, sums);
        Four<TLanes>.AddSums(even1, odd1, sums + Height);
        return k;
    }
}
