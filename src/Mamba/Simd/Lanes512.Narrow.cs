using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mamba.Simd;

/// <content>Loads of fewer bits.</content>
internal readonly unsafe partial struct Lanes512 : INarrowLanes<Lanes512>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBFloat16(ushort* source) => new((WidenUInt16(source) << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadFloat16(ushort* source)
    {
        // A normal number has its exponent moved from one bias to the other. A subnormal one is an integer times 2^-24;
        // as a float32 it would be subnormal again, and slow to multiply.
        Vector512<int> bits = WidenUInt16(source), size = bits & Vector512.Create(0x7FFF);
        Vector512<int> normal = (size << 13) + Vector512.Create((127 - 15) << 23);
        Vector512<int> subnormal = (Vector512.ConvertToSingle(size) * Vector512.Create(1f / (1 << 24))).AsInt32();
        Vector512<int> chosen = Vector512.ConditionalSelect(
            Vector512.LessThan(size, Vector512.Create(0x400)), subnormal, normal);
        return new((chosen | ((bits & Vector512.Create(0x8000)) << 16)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadInt8(sbyte* source) =>
        new(Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadInt4(byte* source, int shift, float* scale)
    {
        // The four bits choose from a table, which is multiplied once for all: of an index it reads the lowest four.
        Vector512<float> table = Vector512.Create(
            -8f, -7f, -6f, -5f, -4f, -3f, -2f, -1f, 0f, 1f, 2f, 3f, 4f, 5f, 6f, 7f);
        Vector512<int> bits = Avx512F.ConvertToVector512Int32(Vector128.Load(source)) >>> shift;
        return new(Avx512F.PermuteVar16x32(table * Vector512.Create(*scale), bits));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBits(byte* source, int shift, int mask) =>
        new(Vector512.ConvertToSingle((WidenUInt8(source) >>> shift) & Vector512.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBits(byte* source, int shift, byte* upper, int upperShift, int upperMask)
    {
        Vector512<int> low = (WidenUInt8(source) >>> shift) & Vector512.Create(15);
        Vector512<int> high = (WidenUInt8(upper) >>> upperShift) & Vector512.Create(upperMask);
        return new(Vector512.ConvertToSingle(low | (high << 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> WidenUInt16(ushort* source) =>
        Avx512F.ConvertToVector512Int32(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> WidenUInt8(byte* source) => Avx512F.ConvertToVector512Int32(Vector128.Load(source));
}
