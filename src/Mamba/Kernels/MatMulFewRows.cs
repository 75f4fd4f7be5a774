using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The product <c>y[m, n] = x[m]·w[n] + b[n] + start[m, n]</c> for few rows of x, where reading W dominates. W is not
/// packed, and is read from memory once, from its first to its last byte.
/// </summary>
/// <remarks>
/// Lanes run along a row of W. Every element has two accumulators, for the even and the odd registers of its row,
/// in every tile. So its bits depend neither on the number of rows nor on the format of W, only on W's float32 values.
/// </remarks>
internal readonly unsafe struct MatMulFewRows<TFormat>(
    Rows x, nint rows, WeightRows weight, int columns, float* bias, Rows start, Rows y)
    where TFormat : struct, IWeightFormat
{
    /// <summary>Rows of W of at most this many bytes take longer to sum across lanes than to read.</summary>
    private const int ShortRow = 1024;

    /// <summary>Bytes of W that an item reads: a few microseconds from memory.</summary>
    private const int BytesPerItem = 64 * 1024;

    /// <summary>Prefetch distance in bytes: about what is read during one memory latency.</summary>
    private const int Ahead = 4096;

    private int Depth => weight.Width;

    public int Items => rows == 0 ? 0 : (columns + ColumnsPerItem - 1) / ColumnsPerItem;

    /// <summary>Rows of W that are processed at a time.</summary>
    private int Together => rows == 1 ? 4 : FewRowsTile<TFormat>.Columns;

    private int ColumnsPerItem
    {
        get
        {
            int rowsOfWeight = (int)(BytesPerItem / Math.Max(TFormat.RowBytes(Depth), 1));
            return Math.Max(rowsOfWeight / Together, 1) * Together;
        }
    }

    /// <summary>Computes the columns of y of one item.</summary>
    [SkipLocalsInit]
    public void Run(int item)
    {
        int first = item * ColumnsPerItem, end = Math.Min(first + ColumnsPerItem, columns);
        if (rows == 1 && TFormat.Block == 0 && TFormat.RowBytes(Depth) <= ShortRow)
        {
            first = MultiplyShort(first, end);
        }

        int scalesPitch = WeightRow.ScalesLength<TFormat>(Depth);
        float* scales = stackalloc float[Together * scalesPitch];
        for (int n = first; n < end; n += Together)
        {
            int count = Math.Min(Together, end - n);
            for (int i = 0; i < count; i++)
            {
                TFormat.ReadScales(weight[n + i], Depth, 0, Depth, scales + (i * scalesPitch));
            }

            if (rows == 1)
            {
                for (int i = 0; i < count; i++)
                {
                    Store(Dot(x[0], weight[n + i], scales + (i * scalesPitch)), 0, n + i);
                }
            }
            else if (Width.Has512 && rows > 4)
            {
                MultiplyEights(n, count, scales, scalesPitch);
            }
            else
            {
                MultiplyFours(n, count, scales, scalesPitch);
            }
        }
    }

    private void Store(float sum, nint m, int n)
    {
        sum = bias == null ? sum : sum + bias[n];
        y[m][n] = start.IsNull ? sum : sum + start[m][n];
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private float Dot(float* x, byte* w, float* scales)
    {
        float sum = 0f;
        nint k = 0;
        if (Width.Has512) { k = Dot<Lanes512>(x, w, scales, k, ref sum); }
        if (Width.Has256) { k = Dot<Lanes256>(x, w, scales, k, ref sum); }
        if (Width.Has128) { k = Dot<Lanes128>(x, w, scales, k, ref sum); }
        Dot<Lane>(x, w, scales, k, ref sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nint Dot<TLanes>(float* x, byte* w, float* scales, nint k, ref float sum)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nint last = Depth - TLanes.Count;
        if (k > last)
        {
            return k;
        }

        byte* fetched = w + (TFormat.RowBytes(32) * k / 32) + Ahead;
        TLanes even = TLanes.Broadcast(0f), odd = even;
        for (; k <= last - TLanes.Count; k += 2 * TLanes.Count)
        {
            Fetch<TFormat>(ref fetched, 2 * TLanes.Count);
            TFormat.LoadTwo(w, k, scales, out TLanes first, out TLanes second);
            even = TLanes.MultiplyAdd(TLanes.Load(x + k), first, even);
            odd = TLanes.MultiplyAdd(TLanes.Load(x + k + TLanes.Count), second, odd);
        }

        if (k <= last)
        {
            even = TLanes.MultiplyAdd(TLanes.Load(x + k), TFormat.Load<TLanes>(w, k, scales), even);
            k += TLanes.Count;
        }

        sum += TLanes.Sum(even + odd);
        return k;
    }

    /// <summary>Prefetches <paramref name="count"/> weights and advances past them; any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch<TOf>(ref byte* address, int count)
        where TOf : struct, IWeightFormat
    {
        nint step = TOf.RowBytes(32) * count / 32;
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
            if (step > 64)
            {
                Sse.Prefetch0(address + 64);
            }
        }

        address += step;
    }

    /// <summary>Multiplies one row of x with short rows of W, four at a time, and sums their lanes together.</summary>
    /// <returns>The first row of W that remains.</returns>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private int MultiplyShort(int n, int end)
    {
        float* sums = stackalloc float[4];
        for (; n <= end - 4; n += 4)
        {
            *(Vector128<float>*)sums = Vector128<float>.Zero;
            AddDots<TFormat, Float32Weights>(
                weight[n], weight[n + 1], weight[n + 2], weight[n + 3], (byte*)x[0], null, weight[n + 4], 0, sums);
            for (int i = 0; i < 4; i++)
            {
                Store(sums[i], 0, n + i);
            }
        }

        return n;
    }

    /// <summary>Multiplies all rows of x, four at a time, with <paramref name="count"/> rows of W.</summary>
    private void MultiplyFours(int n, int count, float* scales, int scalesPitch)
    {
        float* sums = stackalloc float[4];
        for (nint m = 0; m < rows; m += 4)
        {
            for (int i = 0; i < count; i++)
            {
                new Span<float>(sums, 4).Clear();
                AddDots(m, n + i, scales + (i * scalesPitch), 0, sums);
                Store(sums, m, m, nint.Min(m + 4, rows), n + i);
            }
        }
    }

    /// <summary>Multiplies all rows of x, eight at a time, with at most three rows of W.</summary>
    private void MultiplyEights(int n, int count, float* scales, int scalesPitch)
    {
        const int height = FewRowsTile<TFormat>.Height;
        float* sums = stackalloc float[FewRowsTile<TFormat>.Columns * height];

        // The last row of W replaces missing ones. The last tile overlaps earlier rows of x if fewer than eight remain.
        FewRowsTile<TFormat> tile = new(
            weight[n], weight[n + Math.Min(1, count - 1)], weight[n + Math.Min(2, count - 1)], scales, scalesPitch,
            Depth);
        for (nint m = 0; m < rows; m += height)
        {
            nint low = nint.Max(nint.Min(m, rows - height), 0), high = nint.Min(low + 4, rows - 4);
            nint k = tile.Multiply(x[low], x[high], x.Pitch, sums);
            for (int i = 0; i < count; i++)
            {
                Finish(sums + (i * height), low, m, n + i, scales + (i * scalesPitch), k);
                Finish(sums + (i * height) + 4, high, nint.Max(m, low + 4), n + i, scales + (i * scalesPitch), k);
            }
        }
    }

    /// <summary>
    /// Adds the products from <paramref name="k"/> on, and stores the sums from row <paramref name="first"/> on.
    /// </summary>
    private void Finish(float* sums, nint m, nint first, int n, float* scales, nint k)
    {
        if (k < Depth)
        {
            AddDots(m, n, scales, k, sums);
        }

        Store(sums, m, first, m + 4, n);
    }

    /// <summary>
    /// Stores some of the sums of rows from <paramref name="m"/> on: every sum once, because y may be its start.
    /// </summary>
    private void Store(float* sums, nint m, nint first, nint end, int n)
    {
        for (nint row = first; row < end; row++)
        {
            Store(sums[row - m], row, n);
        }
    }

    /// <summary>
    /// Multiplies four rows of x, from row <paramref name="m"/> on, with one row of W. The last row of x replaces
    /// missing ones.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void AddDots(nint m, int n, float* scales, nint k, float* sums)
    {
        nint last = rows - 1;
        AddDots<Float32Weights, TFormat>(
            (byte*)x[m],
            (byte*)x[nint.Min(m + 1, last)],
            (byte*)x[nint.Min(m + 2, last)],
            (byte*)x[nint.Min(m + 3, last)],
            weight[n],
            scales,
            weight[n] + Ahead,
            k,
            sums);
    }

    /// <summary>Adds the dot products of four rows with one other row to four sums.</summary>
    /// <param name="row0">The first of four rows, without scales.</param>
    /// <param name="row1">The second.</param>
    /// <param name="row2">The third.</param>
    /// <param name="row3">The fourth.</param>
    /// <param name="other">The other row.</param>
    /// <param name="scales">Its scales.</param>
    /// <param name="fetched">The address to prefetch from, as many bytes as the other row has.</param>
    /// <param name="k">The first k.</param>
    /// <param name="sums">The sums.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddDots<TFour, TOther>(
        byte* row0, byte* row1, byte* row2, byte* row3, byte* other, float* scales, byte* fetched, nint k, float* sums)
        where TFour : struct, IWeightFormat
        where TOther : struct, IWeightFormat
    {
        if (Width.Has512)
        {
            k = AddDots<TFour, TOther, Lanes512>(row0, row1, row2, row3, other, scales, fetched, k, sums);
        }

        if (Width.Has256)
        {
            k = AddDots<TFour, TOther, Lanes256>(row0, row1, row2, row3, other, scales, fetched, k, sums);
        }

        if (Width.Has128)
        {
            k = AddDots<TFour, TOther, Lanes128>(row0, row1, row2, row3, other, scales, fetched, k, sums);
        }

        if (k < Depth) { AddLastDots<TFour, TOther>(row0, row1, row2, row3, other, scales, k, sums); }
    }

    /// <summary>The scalar remainder. A separate method, because the JIT limits how much it inlines into one.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void AddLastDots<TFour, TOther>(
        byte* row0, byte* row1, byte* row2, byte* row3, byte* other, float* scales, nint k, float* sums)
        where TFour : struct, IWeightFormat
        where TOther : struct, IWeightFormat =>
        AddDots<TFour, TOther, Lane>(row0, row1, row2, row3, other, scales, other, k, sums);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nint AddDots<TFour, TOther, TLanes>(
        byte* row0, byte* row1, byte* row2, byte* row3, byte* other, float* scales, byte* fetched, nint k, float* sums)
        where TFour : struct, IWeightFormat
        where TOther : struct, IWeightFormat
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nint last = Depth - TLanes.Count;
        if (k > last)
        {
            return k;
        }

        Four<TLanes> even = Four<TLanes>.Zero, odd = even;
        for (; k <= last - TLanes.Count; k += 2 * TLanes.Count)
        {
            Fetch<TOther>(ref fetched, 2 * TLanes.Count);
            TOther.LoadTwo(other, k, scales, out TLanes first, out TLanes second);
            even = Four<TLanes>.MultiplyAdd(first, Four<TLanes>.Load<TFour>(row0, row1, row2, row3, k), even);
            nint next = k + TLanes.Count;
            odd = Four<TLanes>.MultiplyAdd(second, Four<TLanes>.Load<TFour>(row0, row1, row2, row3, next), odd);
        }

        if (k <= last)
        {
            TLanes only = TOther.Load<TLanes>(other, k, scales);
            even = Four<TLanes>.MultiplyAdd(only, Four<TLanes>.Load<TFour>(row0, row1, row2, row3, k), even);
            k += TLanes.Count;
        }

        Four<TLanes>.AddSums(even, odd, sums);
        return k;
    }
}
