using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mamba.Simd;

/// <summary>Four floats in a 128-bit register.</summary>
internal readonly unsafe partial struct Lanes128(Vector128<float> value) : ILanes<Lanes128>
{
    private readonly Vector128<float> _value = value;

    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Broadcast(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes128 value, float* target) => value._value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator +(Lanes128 left, Lanes128 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 left, Lanes128 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator *(Lanes128 left, Lanes128 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator /(Lanes128 left, Lanes128 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 value) => new(-value._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAdd(Lanes128 a, Lanes128 b, Lanes128 c) =>
        new(Vector128.MultiplyAddEstimate(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Min(Lanes128 left, Lanes128 right) => new(Vector128.Min(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Max(Lanes128 left, Lanes128 right) => new(Vector128.Max(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Abs(Lanes128 value) => new(Vector128.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Sqrt(Lanes128 value) => new(Vector128.Sqrt(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Round(Lanes128 value) => new(Vector128.Round(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Exponent(Lanes128 value) => new(Vector128.ConvertToSingle(
        ((value._value.AsInt32() >>> 23) & Vector128.Create(255)) - Vector128.Create(127)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Fraction(Lanes128 value)
    {
        if (Avx512DQ.VL.IsSupported)
        {
            return new(Avx512DQ.VL.Reduce(value._value, 0));
        }

        Lanes128 finite = Clamp(value, Broadcast(-float.MaxValue), Broadcast(float.MaxValue));
        return finite - Round(finite);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Clamp(Lanes128 value, Lanes128 low, Lanes128 high) =>
        new(Vector128.MinNative(high._value, Vector128.MaxNative(low._value, value._value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AddToExponent(Lanes128 value, Lanes128 shifted) =>
        new((value._value.AsInt32() + (shifted._value.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Scale(Lanes128 value, Lanes128 exponent)
    {
        if (Avx512F.VL.IsSupported)
        {
            return new(Avx512F.VL.Scale(value._value, exponent._value));
        }

        // 2^n in two factors, so that each is a normal number and only the last product rounds.
        Vector128<int> n = Vector128.ConvertToInt32(
            Vector128.Min(Vector128.Max(exponent._value, Vector128.Create(-252f)), Vector128.Create(252f)));
        Vector128<int> half = n >> 1;
        Vector128<int> bias = Vector128.Create(127);
        Vector128<float> first = ((half + bias) << 23).AsSingle();
        Vector128<float> second = ((n - half + bias) << 23).AsSingle();
        return new(value._value * first * second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 IfLess(Lanes128 x, Lanes128 limit, Lanes128 then, Lanes128 otherwise) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(x._value, limit._value), then._value, otherwise._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes128 value) => Vector128.Sum(value._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddSums(Lanes128 a, Lanes128 b, Lanes128 c, Lanes128 d, float* target) =>
        Vector128.Store(Vector128.Load(target) + Sums(a._value, b._value, c._value, d._value), target);

    /// <summary>The sum of each of four registers: half of a transposition, with an addition after each step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        if (Sse3.IsSupported)
        {
            return Sse3.HorizontalAdd(Sse3.HorizontalAdd(a, b), Sse3.HorizontalAdd(c, d));
        }

        return Vector128.Create(Vector128.Sum(a), Vector128.Sum(b), Vector128.Sum(c), Vector128.Sum(d));
    }
}
