using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Transposes matrices, eight rows by eight columns at a time where there are 256-bit registers.</summary>
internal static unsafe class Transposition
{
    private const int Side = 8;

    /// <summary>Copies a matrix [rows, columns] into [columns, rows].</summary>
    public static void Run(Rows source, int rows, int columns, Rows target)
    {
        int wholeRows = Avx.IsSupported ? rows & -Side : 0, wholeColumns = Avx.IsSupported ? columns & -Side : 0;
        for (int row = 0; row < wholeRows; row += Side)
        {
            for (int column = 0; column < wholeColumns; column += Side)
            {
                RunBlock(source.At(row, column), target.At(column, row));
            }
        }

        RunSingly(source.From(wholeColumns), wholeRows, columns - wholeColumns, target.At(wholeColumns, 0));
        RunSingly(source.At(wholeRows, 0), rows - wholeRows, columns, target.From(wholeRows));
    }

    private static void RunSingly(Rows source, int rows, int columns, Rows target)
    {
        for (int column = 0; column < columns; column++)
        {
            float* from = source.Origin + column, to = target[column];
            for (int row = 0; row < rows; row++, from += source.Pitch)
            {
                to[row] = *from;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunBlock(Rows source, Rows target)
    {
        // Pairs of rows are interleaved, then pairs of pairs; last, halves of registers change places.
        (Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3) = Interleave(source);
        (Vector256<float> b0, Vector256<float> b1, Vector256<float> b2, Vector256<float> b3) =
            Interleave(source.At(Side / 2, 0));
        Avx.Permute2x128(a0, b0, 0x20).Store(target[0]);
        Avx.Permute2x128(a1, b1, 0x20).Store(target[1]);
        Avx.Permute2x128(a2, b2, 0x20).Store(target[2]);
        Avx.Permute2x128(a3, b3, 0x20).Store(target[3]);
        Avx.Permute2x128(a0, b0, 0x31).Store(target[4]);
        Avx.Permute2x128(a1, b1, 0x31).Store(target[5]);
        Avx.Permute2x128(a2, b2, 0x31).Store(target[6]);
        Avx.Permute2x128(a3, b3, 0x31).Store(target[7]);
    }

    /// <summary>Columns 0 and 4, 1 and 5, 2 and 6, 3 and 7 of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Interleave(Rows rows)
    {
        Vector256<float> r0 = Vector256.Load(rows[0]), r1 = Vector256.Load(rows[1]);
        Vector256<float> r2 = Vector256.Load(rows[2]), r3 = Vector256.Load(rows[3]);
        Vector256<float> low01 = Avx.UnpackLow(r0, r1), high01 = Avx.UnpackHigh(r0, r1);
        Vector256<float> low23 = Avx.UnpackLow(r2, r3), high23 = Avx.UnpackHigh(r2, r3);
        return (
            Avx.Shuffle(low01, low23, 0x44),
            Avx.Shuffle(low01, low23, 0xEE),
            Avx.Shuffle(high01, high23, 0x44),
            Avx.Shuffle(high01, high23, 0xEE));
    }
}
