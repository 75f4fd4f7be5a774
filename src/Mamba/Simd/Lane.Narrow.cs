namespace Mamba.Simd;

/// <content>Loads of fewer bits.</content>
internal readonly unsafe partial struct Lane : INarrowLanes<Lane>
{
    public static Lane LoadBFloat16(ushort* source) => new(BitConverter.UInt32BitsToSingle((uint)*source << 16));

    public static Lane LoadFloat16(ushort* source) => new((float)BitConverter.UInt16BitsToHalf(*source));

    public static Lane LoadInt8(sbyte* source) => new(*source);

    public static Lane LoadInt4(byte* source, int shift, float* scale) => new((((*source >> shift) & 15) - 8) * *scale);

    public static Lane LoadBits(byte* source, int shift, int mask) => new((*source >> shift) & mask);

    public static Lane LoadBits(byte* source, int shift, byte* upper, int upperShift, int upperMask) =>
        new(((*source >> shift) & 15) | (((*upper >> upperShift) & upperMask) << 4));
}
