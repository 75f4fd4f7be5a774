using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Transposes matrices: eight rows at a time with 256-bit registers, four with 128-bit registers.</summary>
internal static unsafe class Transposition
{
    /// <summary>Copies a matrix [rows, columns] into [columns, rows].</summary>
    public static void Run(Rows source, int rows, int columns, Rows target)
    {
        int row = 0;
        if (Avx.IsSupported)
        {
            for (; row <= rows - 8; row += 8)
            {
                RunEight(source.At(row, 0), columns, target.From(row));
            }
        }

        if (Sse.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            for (; row <= rows - 4; row += 4)
            {
                RunFour(source.At(row, 0), columns, target.From(row));
            }
        }

        if (row < rows)
        {
            RunSingly(source.At(row, 0), rows - row, columns, target.From(row));
        }
    }

    private static void RunEight(Rows source, int columns, Rows target)
    {
        int column = 0;
        for (; column <= columns - 8; column += 8)
        {
            RunBlock(source.From(column), target.At(column, 0));
        }

        RunSingly(source.From(column), 8, columns - column, target.At(column, 0));
    }

    private static void RunFour(Rows source, int columns, Rows target)
    {
        int column = 0;
        for (; column <= columns - 4; column += 4)
        {
            RunSmallBlock(source.From(column), target.At(column, 0));
        }

        RunSingly(source.From(column), 4, columns - column, target.At(column, 0));
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
        // Interleave pairs of rows, then pairs of pairs, then exchange register halves.
        (Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3) = Interleave(source);
        (Vector256<float> b0, Vector256<float> b1, Vector256<float> b2, Vector256<float> b3) =
            Interleave(source.At(4, 0));
        Avx.Permute2x128(a0, b0, 0x20).Store(target[0]);
        Avx.Permute2x128(a1, b1, 0x20).Store(target[1]);
        Avx.Permute2x128(a2, b2, 0x20).Store(target[2]);
        Avx.Permute2x128(a3, b3, 0x20).Store(target[3]);
        Avx.Permute2x128(a0, b0, 0x31).Store(target[4]);
        Avx.Permute2x128(a1, b1, 0x31).Store(target[5]);
        Avx.Permute2x128(a2, b2, 0x31).Store(target[6]);
        Avx.Permute2x128(a3, b3, 0x31).Store(target[7]);
    }

    /// <summary>Interleaves four rows into columns 0 and 4, 1 and 5, 2 and 6, 3 and 7.</summary>
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunSmallBlock(Rows source, Rows target)
    {
        Vector128<float> r0 = Vector128.Load(source[0]), r1 = Vector128.Load(source[1]);
        Vector128<float> r2 = Vector128.Load(source[2]), r3 = Vector128.Load(source[3]);
        Vector128<float> low02 = Low(r0, r2), low13 = Low(r1, r3), high02 = High(r0, r2), high13 = High(r1, r3);
        Low(low02, low13).Store(target[0]);
        High(low02, low13).Store(target[1]);
        Low(high02, high13).Store(target[2]);
        High(high02, high13).Store(target[3]);
    }

    /// <summary>Interleaves the lower halves of two registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackLow(left, right) : AdvSimd.Arm64.ZipLow(left, right);

    /// <summary>Interleaves the upper halves of two registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackHigh(left, right) : AdvSimd.Arm64.ZipHigh(left, right);
}
