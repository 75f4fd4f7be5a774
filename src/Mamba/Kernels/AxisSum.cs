using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The terms of sums over the middle axis of [outer, count, inner], computed in lanes.</summary>
internal interface IAxisTerm
{
    /// <summary>Terms of consecutive j.</summary>
    /// <param name="element">The first element of the terms.</param>
    /// <param name="kept">The sum that the first term belongs to.</param>
    TLanes Across<TLanes>(nint element, nint kept)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Terms of consecutive i; inner is 1.</summary>
    /// <param name="element">The first element of the terms.</param>
    /// <param name="kept">The sum that all terms belong to.</param>
    TLanes Along<TLanes>(nint element, nint kept)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>Sums over the middle axis of [outer, count, inner].</summary>
/// <remarks>
/// Blocks of 64 rows are summed in float32, and the blocks in double. Within a block, groups of four rows are summed
/// before they are added to the accumulator. So the error does not grow with the number of rows.
/// </remarks>
internal static unsafe class AxisSum
{
    /// <summary>Maximum number of columns of a call.</summary>
    public const int MaxWidth = 512;

    /// <summary>Rows of a block, which is summed in float32.</summary>
    public const int BlockRows = 64;

    // A lane of a 128-bit register adds at most 128 terms in float32.
    private const nint ShortRow = 512;

    /// <summary>Computes <c>sums[j] = Σ_i term[i, j]</c>.</summary>
    /// <param name="term">The terms.</param>
    /// <param name="element">The first element.</param>
    /// <param name="kept">The first sum.</param>
    /// <param name="pitch">Elements from one row to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Number of columns, at most <see cref="MaxWidth"/>.</param>
    /// <param name="sums">The sums.</param>
    [SkipLocalsInit]
    public static void Across<TTerm>(
        TTerm term, nint element, nint kept, nint pitch, nint rows, int width, double* sums)
        where TTerm : struct, IAxisTerm
    {
        float* block = stackalloc float[MaxWidth];
        new Span<double>(sums, width).Clear();
        for (nint row = 0; row < rows; row += BlockRows)
        {
            AddBlock(term, element + (row * pitch), kept, pitch, Math.Min(BlockRows, rows - row), width, block);
            for (int j = 0; j < width; j++)
            {
                sums[j] += block[j];
            }
        }
    }

    /// <summary>
    /// Computes <c>y[j] = scale·Σ_i term[i, j]</c>, or adds it, for at most <see cref="BlockRows"/> rows.
    /// </summary>
    [SkipLocalsInit]
    public static void AcrossFew<TTerm>(
        TTerm term, nint element, nint kept, nint pitch, nint rows, int width, float scale, float* y, bool accumulate)
        where TTerm : struct, IAxisTerm
    {
        float* block = stackalloc float[MaxWidth];
        AddBlock(term, element, kept, pitch, rows, width, block);
        if (accumulate)
        {
            Elementwise.AddScaled(block, scale, y, width);
        }
        else
        {
            RowMath.Scale(block, scale, y, width);
        }
    }

    /// <summary>
    /// Computes <c>sums[r] = Σ_i term[r, i]</c> of up to four contiguous rows. The sum of a row does not depend on the
    /// number of rows.
    /// </summary>
    public static void Along<TTerm>(TTerm term, nint element, nint kept, nint count, int rows, double* sums)
        where TTerm : struct, IAxisTerm
    {
        if (count > ShortRow)
        {
            for (int row = 0; row < rows; row++)
            {
                sums[row] = Reduce.Sum(new Row<TTerm>(term, element + (row * count), kept + row), count);
            }

            return;
        }

        // Four independent accumulators; the last row replaces missing ones.
        float* four = stackalloc float[4];
        new Span<float>(four, 4).Clear();
        Four<TTerm> terms = new(term, element, kept, count, rows);
        nint i = 0;
        if (Width.Has512) { i = AddRows<TTerm, Lanes512>(terms, i, count, four); }
        if (Width.Has256) { i = AddRows<TTerm, Lanes256>(terms, i, count, four); }
        if (Width.Has128) { i = AddRows<TTerm, Lanes128>(terms, i, count, four); }
        AddRows<TTerm, Lane>(terms, i, count, four);
        for (int row = 0; row < rows; row++)
        {
            sums[row] = four[row];
        }
    }

    private static nint AddRows<TTerm, TLanes>(in Four<TTerm> terms, nint i, nint count, float* sums)
        where TTerm : struct, IAxisTerm
        where TLanes : struct, ILanes<TLanes>
    {
        if (i > count - TLanes.Count)
        {
            return i;
        }

        (TTerm term, nint e0, nint e1, nint e2, nint e3) = (terms.Term, terms[0], terms[1], terms[2], terms[3]);
        (nint k0, nint k1, nint k2, nint k3) = (terms.Kept(0), terms.Kept(1), terms.Kept(2), terms.Kept(3));
        TLanes s0 = TLanes.Broadcast(0f), s1 = s0, s2 = s0, s3 = s0;
        for (; i <= count - TLanes.Count; i += TLanes.Count)
        {
            s0 += term.Along<TLanes>(e0 + i, k0);
            s1 += term.Along<TLanes>(e1 + i, k1);
            s2 += term.Along<TLanes>(e2 + i, k2);
            s3 += term.Along<TLanes>(e3 + i, k3);
        }

        TLanes.AddSums(s0, s1, s2, s3, sums);
        return i;
    }

    private static void AddBlock<TTerm>(
        TTerm term, nint element, nint kept, nint pitch, nint rows, int width, float* block)
        where TTerm : struct, IAxisTerm
    {
        new Span<float>(block, width).Clear();
        nint row = 0;
        for (; row <= rows - 4; row += 4)
        {
            AddRows<TTerm, FourRows>(term, element + (row * pitch), kept, pitch, width, block);
        }

        for (; row < rows; row++)
        {
            AddRows<TTerm, OneRow>(term, element + (row * pitch), kept, pitch, width, block);
        }
    }

    private static void AddRows<TTerm, TRows>(
        TTerm term, nint element, nint kept, nint pitch, int width, float* block)
        where TTerm : struct, IAxisTerm
        where TRows : struct, IRowCount
    {
        int j = 0;
        if (Width.Has512) { j = AddRows<TTerm, TRows, Lanes512>(term, element, kept, pitch, j, width, block); }
        if (Width.Has256) { j = AddRows<TTerm, TRows, Lanes256>(term, element, kept, pitch, j, width, block); }
        if (Width.Has128) { j = AddRows<TTerm, TRows, Lanes128>(term, element, kept, pitch, j, width, block); }
        AddRows<TTerm, TRows, Lane>(term, element, kept, pitch, j, width, block);
    }

    private static int AddRows<TTerm, TRows, TLanes>(
        TTerm term, nint element, nint kept, nint pitch, int j, int width, float* block)
        where TTerm : struct, IAxisTerm
        where TRows : struct, IRowCount
        where TLanes : struct, ILanes<TLanes>
    {
        for (; j <= width - TLanes.Count; j += TLanes.Count)
        {
            nint first = element + j;
            TLanes sum = term.Across<TLanes>(first, kept + j);
            if (TRows.IsFour)
            {
                sum += term.Across<TLanes>(first + pitch, kept + j);
                sum += term.Across<TLanes>(first + (2 * pitch), kept + j)
                    + term.Across<TLanes>(first + (3 * pitch), kept + j);
            }

            TLanes.Store(TLanes.Load(block + j) + sum, block + j);
        }

        return j;
    }

    /// <summary><c>x[o, i, j]</c></summary>
    public readonly struct Values(float* x) : IAxisTerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes Across<TLanes>(nint element, nint kept)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + element);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes Along<TLanes>(nint element, nint kept)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(x + element);
    }

    /// <summary><c>gy[o, i, j]·∂f(a[o, i, j], b[o, j])/∂b</c></summary>
    public readonly struct Gradients<TOp>(float* a, float* b, float* gy) : IAxisTerm
        where TOp : struct, IZip
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes Across<TLanes>(nint element, nint kept)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.Load(gy + element) * TOp.DerivativeB(TLanes.Load(a + element), TLanes.Load(b + kept));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes Along<TLanes>(nint element, nint kept)
            where TLanes : struct, ILanes<TLanes> =>
            TLanes.Load(gy + element) * TOp.DerivativeB(TLanes.Load(a + element), TLanes.Broadcast(b[kept]));
    }

    private readonly struct Row<TTerm>(TTerm term, nint element, nint kept) : ITerm
        where TTerm : struct, IAxisTerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TLanes At<TLanes>(nint i)
            where TLanes : struct, ILanes<TLanes> => term.Along<TLanes>(element + i, kept);
    }

    private interface IRowCount
    {
        static abstract bool IsFour { get; }
    }

    private readonly struct OneRow : IRowCount
    {
        public static bool IsFour => false;
    }

    private readonly struct FourRows : IRowCount
    {
        public static bool IsFour => true;
    }

    /// <summary>Four contiguous rows; the last row replaces missing ones.</summary>
    private readonly struct Four<TTerm>(TTerm term, nint element, nint kept, nint count, int rows)
        where TTerm : struct, IAxisTerm
    {
        public TTerm Term { get; } = term;

        /// <summary>The first element of a row.</summary>
        public nint this[int row] => element + (Math.Min(row, rows - 1) * count);

        /// <summary>The sum of a row.</summary>
        public nint Kept(int row) => kept + Math.Min(row, rows - 1);
    }
}
