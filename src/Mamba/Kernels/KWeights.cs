using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Blocks of 256 weights with two levels of scales, laid out as GGUF's Q4_K, Q5_K and Q6_K.</summary>
/// <remarks>
/// A row is a sequence of such blocks, so that a file's bytes are used as they are. The scales of a row are read before
/// its weights: 16 floats for each block, products of the block's scale and the small integer of each group, which are
/// exact. A weight is one fused multiply-add of them; the product is exact, so it rounds once, as in ggml.
/// </remarks>
internal static unsafe class KWeights
{
    /// <summary>Weights of a block.</summary>
    public const int Block = 256;

    /// <summary>Floats that the scales of a block take.</summary>
    public const int Scales = 16;

    /// <summary>
    /// Reads eight scales, then eight negated minima, of the groups of 32 weights of Q4_K and Q5_K.
    /// </summary>
    public static void ReadPairs(byte* block, float* target)
    {
        // Twelve bytes hold sixteen 6-bit integers: four bytes of scales, four of minima, and the low and high nibbles
        // of the last four, whose upper two bits are those of the first eight.
        uint a = *(uint*)(block + 4), b = *(uint*)(block + 8), c = *(uint*)(block + 12);
        uint* packed = stackalloc uint[4];
        packed[0] = a & 0x3F3F3F3F;
        packed[1] = (c & 0x0F0F0F0F) | ((a >> 2) & 0x30303030);
        packed[2] = b & 0x3F3F3F3F;
        packed[3] = ((c >> 4) & 0x0F0F0F0F) | ((b >> 2) & 0x30303030);
        Multiply((byte*)packed, Half(block), target);
        Multiply((byte*)packed + 8, -Half(block + 2), target + 8);
    }

    public static float Half(byte* source) => (float)BitConverter.UInt16BitsToHalf(*(ushort*)source);

    /// <summary>Multiplies eight small integers by a factor.</summary>
    private static void Multiply(byte* integers, float factor, float* target)
    {
        if (Width.Has256)
        {
            Lanes256.Store(Lanes256.LoadBits(integers, 0, 255) * Lanes256.Broadcast(factor), target);
            return;
        }

        for (int i = 0; i < 8; i++)
        {
            target[i] = integers[i] * factor;
        }
    }

    /// <summary>Multiplies sixteen signed integers by a factor.</summary>
    public static void Multiply(sbyte* integers, float factor, float* target)
    {
        for (int i = 0; i < Scales; i++)
        {
            target[i] = integers[i] * factor;
        }
    }
}

/// <summary>4-bit integers with a scale and a minimum for each 32: the blocks of GGUF's Q4_K.</summary>
/// <remarks>
/// A block: scale and scale of minima in half precision, 12 bytes of 6-bit integers, 128 bytes of nibbles. Each 32 of
/// these hold two groups, the low nibbles first.
/// </remarks>
internal readonly unsafe struct Q4KWeights : IWeightFormat
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 144;

    private const int Nibbles = 16;

    public static int Block => KWeights.Block;

    public static nint RowBytes(int width) => (nint)width * BlockBytes / Block;

    public static int ScalesLength(int width) => width / Block * KWeights.Scales;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
        for (int block = first / Block; block < (first + count + Block - 1) / Block; block++)
        {
            KWeights.ReadPairs(row + ((nint)block * BlockBytes), scales + (block * KWeights.Scales));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nuint block = (nuint)k / (nuint)Block, within = (nuint)k % (nuint)Block, group = within / 32;
        byte* nibbles = row + (block * BlockBytes) + Nibbles + (within / 64 * 32) + (within % 32);
        float* scale = scales + (block * KWeights.Scales) + group;
        return TLanes.MultiplyAdd(
            TLanes.LoadBits(nibbles, (int)(group & 1) * 4, 15), TLanes.Broadcast(scale[0]), TLanes.Broadcast(scale[8]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nuint block = (nuint)k / (nuint)Block, within = (nuint)k % (nuint)Block, group = within / 32;
        byte* nibbles = row + (block * BlockBytes) + Nibbles + (within / 64 * 32) + (within % 32);
        int shift = (int)(group & 1) * 4;
        float* pair = scales + (block * KWeights.Scales) + group;
        TLanes scale = TLanes.Broadcast(pair[0]), minimum = TLanes.Broadcast(pair[8]);
        first = TLanes.MultiplyAdd(TLanes.LoadBits(nibbles, shift, 15), scale, minimum);
        second = TLanes.MultiplyAdd(TLanes.LoadBits(nibbles + TLanes.Count, shift, 15), scale, minimum);
    }

    public static void Narrow(float* source, int width, byte* row) => KEncoder.EncodeQ4K(source, width, row);
}

/// <summary>5-bit integers with a scale and a minimum for each 32: the blocks of GGUF's Q5_K.</summary>
/// <remarks>
/// As <see cref="Q4KWeights"/>, with 32 bytes before the nibbles: bit g of byte i is the fifth bit of weight i of group
/// g.
/// </remarks>
internal readonly unsafe struct Q5KWeights : IWeightFormat
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 176;

    private const int FifthBits = 16, Nibbles = 48;

    public static int Block => KWeights.Block;

    public static nint RowBytes(int width) => (nint)width * BlockBytes / Block;

    public static int ScalesLength(int width) => width / Block * KWeights.Scales;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
        for (int block = first / Block; block < (first + count + Block - 1) / Block; block++)
        {
            KWeights.ReadPairs(row + ((nint)block * BlockBytes), scales + (block * KWeights.Scales));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nuint block = (nuint)k / (nuint)Block, within = (nuint)k % (nuint)Block, group = within / 32;
        byte* start = row + (block * BlockBytes) + (within % 32);
        float* scale = scales + (block * KWeights.Scales) + group;
        return TLanes.MultiplyAdd(
            TLanes.LoadBits(
                start + Nibbles + (within / 64 * 32), (int)(group & 1) * 4, start + FifthBits, (int)group, 1),
            TLanes.Broadcast(scale[0]),
            TLanes.Broadcast(scale[8]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes> =>
        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));

    public static void Narrow(float* source, int width, byte* row) => KEncoder.EncodeQ5K(source, width, row);
}

/// <summary>Integers from -32 to 31 with a scale for each 16: the blocks of GGUF's Q6_K.</summary>
/// <remarks>
/// A block: 128 bytes of low nibbles, 64 bytes of pairs of upper bits, 16 signed integers, scale in half precision.
/// Each half of 128 weights is four runs of 32, which share 32 bytes of upper bits; runs 0 and 2, and 1 and 3, share 32
/// bytes of nibbles.
/// </remarks>
internal readonly unsafe struct Q6KWeights : IWeightFormat
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 210;

    private const int UpperBits = 128, Integers = 192, Scale = 208;

    public static int Block => KWeights.Block;

    public static nint RowBytes(int width) => (nint)width * BlockBytes / Block;

    public static int ScalesLength(int width) => width / Block * KWeights.Scales;

    public static void ReadScales(byte* row, int width, int first, int count, float* scales)
    {
        for (int block = first / Block; block < (first + count + Block - 1) / Block; block++)
        {
            byte* start = row + ((nint)block * BlockBytes);
            KWeights.Multiply(
                (sbyte*)start + Integers, KWeights.Half(start + Scale), scales + (block * KWeights.Scales));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>
    {
        nuint block = (nuint)k / (nuint)Block, within = (nuint)k % (nuint)Block;
        nuint half = within / 128, run = within / 32 % 4;
        byte* start = row + (block * BlockBytes) + (within % 32);
        TLanes integers = TLanes.LoadBits(
            start + (half * 64) + (run % 2 * 32), (int)(run / 2) * 4, start + UpperBits + (half * 32), (int)run * 2, 3);
        float* scale = scales + (block * KWeights.Scales) + (within / 16);
        return (integers - TLanes.Broadcast(32f)) * TLanes.Broadcast(*scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes> =>
        (first, second) = (Load<TLanes>(row, k, scales), Load<TLanes>(row, k + TLanes.Count, scales));

    public static void Narrow(float* source, int width, byte* row) => KEncoder.EncodeQ6K(source, width, row);
}
