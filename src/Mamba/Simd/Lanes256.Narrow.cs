using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mamba.Simd;

/// <content>Loads of fewer bits.</content>
internal readonly unsafe partial struct Lanes256 : INarrowLanes<Lanes256>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBFloat16(ushort* source) => new((WidenUInt16(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadFloat16(ushort* source)
    {
        // A normal number has its exponent moved from one bias to the other. A subnormal one is an integer times 2^-24;
        // as a float32 it would be subnormal again, and slow to multiply.
        Vector256<int> bits = WidenUInt16(source), size = bits & Vector256.Create(0x7FFF);
        Vector256<int> normal = (size << 13) + Vector256.Create((127 - 15) << 23);
        Vector256<int> subnormal = (Vector256.ConvertToSingle(size) * Vector256.Create(1f / (1 << 24))).AsInt32();
        Vector256<int> chosen = Vector256.ConditionalSelect(
            Vector256.LessThan(size, Vector256.Create(0x400)), subnormal, normal);
        return new((chosen | ((bits & Vector256.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadInt8(sbyte* source) =>
        new(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadInt4(byte* source, int shift, float* scale)
    {
        Vector256<int> bits = (Avx2.ConvertToVector256Int32(source) >>> shift) & Vector256.Create(15);
        return new(Vector256.ConvertToSingle(bits - Vector256.Create(8)) * Vector256.Create(*scale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBits(byte* source, int shift, int mask) =>
        new(Vector256.ConvertToSingle((WidenUInt8(source) >>> shift) & Vector256.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBits(byte* source, int shift, byte* upper, int upperShift, int upperMask)
    {
        Vector256<int> low = (WidenUInt8(source) >>> shift) & Vector256.Create(15);
        Vector256<int> high = (WidenUInt8(upper) >>> upperShift) & Vector256.Create(upperMask);
        return new(Vector256.ConvertToSingle(low | (high << 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> WidenUInt16(ushort* source) =>
        Avx2.ConvertToVector256Int32(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> WidenUInt8(byte* source) => Avx2.ConvertToVector256Int32(source);
}
