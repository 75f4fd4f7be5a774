using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mamba.Simd;

/// <content>Loads of fewer bits.</content>
internal readonly unsafe partial struct Lanes128 : INarrowLanes<Lanes128>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBFloat16(ushort* source) => new((WidenUInt16(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadFloat16(ushort* source)
    {
        // A normal number has its exponent moved from one bias to the other. A subnormal one is an integer times 2^-24;
        // as a float32 it would be subnormal again, and slow to multiply.
        Vector128<int> bits = WidenUInt16(source), size = bits & Vector128.Create(0x7FFF);
        Vector128<int> normal = (size << 13) + Vector128.Create((127 - 15) << 23);
        Vector128<int> subnormal = (Vector128.ConvertToSingle(size) * Vector128.Create(1f / (1 << 24))).AsInt32();
        Vector128<int> chosen = Vector128.ConditionalSelect(
            Vector128.LessThan(size, Vector128.Create(0x400)), subnormal, normal);
        return new((chosen | ((bits & Vector128.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadInt8(sbyte* source) =>
        new(Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(
            Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(source)).AsSByte()))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadInt4(byte* source, int shift, float* scale)
    {
        Vector128<byte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(source)).AsByte();
        Vector128<int> bits =
            (Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32() >>> shift) & Vector128.Create(15);
        return new(Vector128.ConvertToSingle(bits - Vector128.Create(8)) * Vector128.Create(*scale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBits(byte* source, int shift, int mask) =>
        new(Vector128.ConvertToSingle((WidenUInt8(source) >>> shift) & Vector128.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBits(byte* source, int shift, byte* upper, int upperShift, int upperMask)
    {
        Vector128<int> low = (WidenUInt8(source) >>> shift) & Vector128.Create(15);
        Vector128<int> high = (WidenUInt8(upper) >>> upperShift) & Vector128.Create(upperMask);
        return new(Vector128.ConvertToSingle(low | (high << 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> WidenUInt16(ushort* source) =>
        Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(source)).AsUInt16()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> WidenUInt8(byte* source)
    {
        Vector128<byte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(source)).AsByte();
        return Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32();
    }
}
