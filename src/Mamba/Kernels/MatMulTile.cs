using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The innermost loop of a matrix product. A tile of C stays in registers while packed columns of A and packed rows of
/// B are read. An element is one accumulator over k, in tiles of any shape.
/// </summary>
internal static unsafe class MatMulTile
{
    /// <summary>Rows of a packed panel of A, and of the tallest tile.</summary>
    public const int Height = 8;

    /// <summary>Computes <c>target[i, j] = start[i, j] + Σ_k a[k, i]·b[k, j]</c>.</summary>
    /// <param name="a">Packed, [depth, <see cref="Height"/>].</param>
    /// <param name="b">Packed, [depth, TStrip.Count].</param>
    /// <param name="depth">Number of k.</param>
    /// <param name="rows">Rows of the tile in C, at most <see cref="Height"/>.</param>
    /// <param name="columns">Columns of the tile in C, at most TStrip.Count.</param>
    /// <param name="start">Initial values of the sums; null for zeros; pitch 0 for a bias.</param>
    /// <param name="target">The tile in C.</param>
    public static void Multiply<TStrip>(float* a, float* b, nint depth, int rows, int columns, Rows start, Rows target)
        where TStrip : struct, IStrip<TStrip>
    {
        if (rows == Height && columns == TStrip.Count)
        {
            MultiplyWhole<TStrip>(a, b, depth, rows, start, target);
            return;
        }

        MultiplyAtBorder<TStrip>(a, b, depth, rows, columns, start, target);
    }

    /// <summary>Computes a tile at the border of C in a buffer, because tiles are stored whole.</summary>
    private static void MultiplyAtBorder<TStrip>(
        float* a, float* b, nint depth, int rows, int columns, Rows start, Rows target)
        where TStrip : struct, IStrip<TStrip>
    {
        float* sums = stackalloc float[Height * TStrip.Count];
        MultiplyWhole<TStrip>(a, b, depth, rows, default, new(sums, TStrip.Count));
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                float sum = sums[(i * TStrip.Count) + j];
                target[i][j] = start.IsNull ? sum : start[i][j] + sum;
            }
        }
    }

    private static void MultiplyWhole<TStrip>(float* a, float* b, nint depth, int rows, Rows start, Rows target)
        where TStrip : struct, IStrip<TStrip>
    {
        // 24 accumulators fit in 32 registers, 12 in 16.
        if (Width.Has512 && rows > 4)
        {
            MultiplyEight<TStrip>(a, b, depth, start, target);
            return;
        }

        MultiplyFour<TStrip>(a, b, depth, start, target);
        if (rows > 4)
        {
            MultiplyFour<TStrip>(a + 4, b, depth, new(start[4], start.Pitch), new(target[4], target.Pitch));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyEight<TStrip>(float* a, float* b, nint depth, Rows start, Rows target)
        where TStrip : struct, IStrip<TStrip>
    {
        TStrip c0 = TStrip.Zero, c1 = TStrip.Zero, c2 = TStrip.Zero, c3 = TStrip.Zero;
        TStrip c4 = TStrip.Zero, c5 = TStrip.Zero, c6 = TStrip.Zero, c7 = TStrip.Zero;
        for (nint k = 0; k < depth; k++)
        {
            TStrip row = TStrip.Load(b);
            c0 = TStrip.MultiplyAdd(a[0], row, c0);
            c1 = TStrip.MultiplyAdd(a[1], row, c1);
            c2 = TStrip.MultiplyAdd(a[2], row, c2);
            c3 = TStrip.MultiplyAdd(a[3], row, c3);
            c4 = TStrip.MultiplyAdd(a[4], row, c4);
            c5 = TStrip.MultiplyAdd(a[5], row, c5);
            c6 = TStrip.MultiplyAdd(a[6], row, c6);
            c7 = TStrip.MultiplyAdd(a[7], row, c7);
            a += Height;
            b += TStrip.Count;
        }

        TStrip.Store(c0, start[0], target[0]);
        TStrip.Store(c1, start[1], target[1]);
        TStrip.Store(c2, start[2], target[2]);
        TStrip.Store(c3, start[3], target[3]);
        TStrip.Store(c4, start[4], target[4]);
        TStrip.Store(c5, start[5], target[5]);
        TStrip.Store(c6, start[6], target[6]);
        TStrip.Store(c7, start[7], target[7]);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyFour<TStrip>(float* a, float* b, nint depth, Rows start, Rows target)
        where TStrip : struct, IStrip<TStrip>
    {
        TStrip c0 = TStrip.Zero, c1 = TStrip.Zero, c2 = TStrip.Zero, c3 = TStrip.Zero;
        for (nint k = 0; k < depth; k++)
        {
            TStrip row = TStrip.Load(b);
            c0 = TStrip.MultiplyAdd(a[0], row, c0);
            c1 = TStrip.MultiplyAdd(a[1], row, c1);
            c2 = TStrip.MultiplyAdd(a[2], row, c2);
            c3 = TStrip.MultiplyAdd(a[3], row, c3);
            a += Height;
            b += TStrip.Count;
        }

        TStrip.Store(c0, start[0], target[0]);
        TStrip.Store(c1, start[1], target[1]);
        TStrip.Store(c2, start[2], target[2]);
        TStrip.Store(c3, start[3], target[3]);
    }
}
