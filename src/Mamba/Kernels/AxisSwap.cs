using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Swaps the two axes of a matrix whose elements are rows.</summary>
internal static unsafe class AxisSwap
{
    /// <summary>Rows and columns of a tile.</summary>
    public const int TileSize = 64;

    /// <summary>Computes <c>y[j, i] = x[i, j]</c>, or adds it, for a tile of scalars.</summary>
    /// <param name="x">The tile of x.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="y">The tile of y.</param>
    /// <param name="accumulate">Whether to add to y; a tile then has at most 64 rows and columns.</param>
    [SkipLocalsInit]
    public static void Tile(Rows x, int rows, int columns, Rows y, bool accumulate)
    {
        if (!accumulate)
        {
            Transposition.Run(x, rows, columns, y);
            return;
        }

        const int Band = 16; // columns of the packed tile, few enough for L1
        float* tile = stackalloc float[TileSize * Band];
        for (int start = 0; start < columns; start += Band)
        {
            int end = Math.Min(start + Band, columns);
            Transposition.Run(x.From(start), rows, end - start, new(tile, TileSize));
            for (int column = start; column < end; column++)
            {
                Elementwise.AddScaled(tile + ((column - start) * TileSize), 1f, y[column], rows);
            }
        }
    }

    /// <summary>Computes <c>y[j, i, k] = x[i, j, k]</c>, or adds it, for some j of all i.</summary>
    /// <param name="x">x, [first, second, inner].</param>
    /// <param name="first">Number of i.</param>
    /// <param name="second">Number of j.</param>
    /// <param name="inner">Number of k.</param>
    /// <param name="start">The first j.</param>
    /// <param name="end">The end of the j.</param>
    /// <param name="y">y, [second, first, inner].</param>
    /// <param name="accumulate">Whether to add to y.</param>
    public static void Copy(
        float* x, nint first, nint second, nint inner, nint start, nint end, float* y, bool accumulate)
    {
        for (nint j = start; j < end; j++)
        {
            float* from = x + (j * inner), to = y + (j * first * inner);
            for (nint i = 0; i < first; i++, from += second * inner, to += inner)
            {
                if (accumulate)
                {
                    Elementwise.AddScaled(from, 1f, to, inner);
                }
                else
                {
                    Buffer.MemoryCopy(from, to, inner * sizeof(float), inner * sizeof(float));
                }
            }
        }
    }
}
