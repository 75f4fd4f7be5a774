using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Weights in float32.</summary>
internal readonly unsafe struct Float32Weights : IWeightFormat
{
    public static int Block => 0;

    public static int ScalesLength(int width) => 0;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
    }

    public static nint RowBytes(int width) => (nint)width * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes> => TLanes.Load((float*)row + k);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes> =>
        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));

    public static void Narrow(float* source, int width, byte* row) =>
        new ReadOnlySpan<float>(source, width).CopyTo(new(row, width));
}

/// <summary>Weights in bfloat16: the upper halves of float32 numbers.</summary>
internal readonly unsafe struct BFloat16Weights : IWeightFormat
{
    public static int Block => 0;

    public static int ScalesLength(int width) => 0;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
    }

    public static nint RowBytes(int width) => (nint)width * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes> => TLanes.LoadBFloat16((ushort*)row + k);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes> =>
        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));

    public static void Narrow(float* source, int width, byte* row) =>
        NarrowNumbers.ToBFloat16(new(source, width), new(row, width));
}

/// <summary>Weights in half precision.</summary>
internal readonly unsafe struct Float16Weights : IWeightFormat
{
    public static int Block => 0;

    public static int ScalesLength(int width) => 0;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
    }

    public static nint RowBytes(int width) => (nint)width * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes> => TLanes.LoadFloat16((ushort*)row + k);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes> =>
        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));

    public static void Narrow(float* source, int width, byte* row) =>
        NarrowNumbers.ToFloat16(new(source, width), new(row, width));
}

/// <summary>
/// Integers from -127 to 127 with a scale for each block of 32: the values of GGUF's Q8_0. The largest magnitude of a
/// block becomes 127. A row stores its integers first, then its scales, so that both are read in whole registers.
/// </summary>
internal readonly unsafe struct Int8Weights : IWeightFormat
{
    private const float Largest = 127f;

    public static int Block => 32;

    public static int ScalesLength(int width) => width / Block;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales) =>
        WeightRow.ReadScales(
            (ushort*)(row + RowBytes(width)) - (width / Block), first / Block, (count + Block - 1) / Block, scales);

    public static nint RowBytes(int width) => width + (width / Block * sizeof(ushort));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes> =>
        TLanes.LoadInt8((sbyte*)row + k) * TLanes.Broadcast(scales[(nuint)k / (nuint)Block]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        TLanes scale = TLanes.Broadcast(scales[(nuint)k / (nuint)Block]);
        first = TLanes.LoadInt8((sbyte*)row + k) * scale;
        second = TLanes.LoadInt8((sbyte*)row + k + TLanes.Count) * scale;
    }

    public static void Narrow(float* source, int width, byte* row)
    {
        ushort* scales = (ushort*)(row + width);
        for (int block = 0; block < width / Block; block++)
        {
            float* values = source + (block * Block);
            float scale = MathF.Abs(NarrowNumbers.LargestOf(values, Block)) / Largest;
            float inverse = scale == 0f ? 0f : 1f / scale;
            scales[block] = NarrowNumbers.ToFloat16(scale);
            for (int i = 0; i < Block; i++)
            {
                ((sbyte*)row)[(block * Block) + i] =
                    (sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
            }
        }
    }
}

/// <summary>
/// Integers from -8 to 7 with a scale for each block of 32: the values of GGUF's Q4_0. The weight of largest magnitude
/// becomes -8. Byte i of a block holds integers i and i + 16, each plus 8. A row stores its integers first, then its
/// scales.
/// </summary>
internal readonly unsafe struct Int4Weights : IWeightFormat
{
    private const int Half = 16;

    public static int Block => 32;

    public static int ScalesLength(int width) => width / Block;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales) =>
        WeightRow.ReadScales(
            (ushort*)(row + RowBytes(width)) - (width / Block), first / Block, (count + Block - 1) / Block, scales);

    public static nint RowBytes(int width) => (width / 2) + (width / Block * sizeof(ushort));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nuint block = (nuint)k / (nuint)Block, within = (nuint)k % (nuint)Block;
        byte* bytes = row + (block * Half) + (within % Half);
        return TLanes.LoadInt4(bytes, (int)(within / Half) * 4, scales + block);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        if (TLanes.Count == Half)
        {
            // Both registers come from the same 16 bytes: the low and the high nibbles.
            float* scale = scales + ((nuint)k / (nuint)Block);
            first = TLanes.LoadInt4(row + ((nuint)k / 2), 0, scale);
            second = TLanes.LoadInt4(row + ((nuint)k / 2), 4, scale);
            return;
        }

        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));
    }

    public static void Narrow(float* source, int width, byte* row)
    {
        ushort* scales = (ushort*)(row + (width / 2));
        for (int block = 0; block < width / Block; block++)
        {
            float* values = source + (block * Block);
            float scale = NarrowNumbers.LargestOf(values, Block) / -8f;
            float inverse = scale == 0f ? 0f : 1f / scale;
            scales[block] = NarrowNumbers.ToFloat16(scale);
            for (int i = 0; i < Half; i++)
            {
                row[(block * Half) + i] = (byte)(Integer(values[i]) | (Integer(values[i + Half]) << 4));
            }

            int Integer(float value) => Math.Min(15, (int)((value * inverse) + 8.5f));
        }
    }
}
