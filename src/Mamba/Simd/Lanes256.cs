using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mamba.Simd;

/// <summary>Eight floats in a 256-bit register.</summary>
internal readonly unsafe partial struct Lanes256(Vector256<float> value) : ILanes<Lanes256>
{
    private readonly Vector256<float> _value = value;

    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes256 value, float* target) => value._value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator +(Lanes256 left, Lanes256 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 left, Lanes256 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator *(Lanes256 left, Lanes256 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator /(Lanes256 left, Lanes256 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 value) => new(-value._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAdd(Lanes256 a, Lanes256 b, Lanes256 c) =>
        new(Vector256.MultiplyAddEstimate(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Min(Lanes256 left, Lanes256 right) => new(Vector256.Min(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Max(Lanes256 left, Lanes256 right) => new(Vector256.Max(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Abs(Lanes256 value) => new(Vector256.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Sqrt(Lanes256 value) => new(Vector256.Sqrt(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Round(Lanes256 value) => new(Vector256.Round(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Exponent(Lanes256 value) => new(Vector256.ConvertToSingle(
        ((value._value.AsInt32() >>> 23) & Vector256.Create(255)) - Vector256.Create(127)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Fraction(Lanes256 value)
    {
        if (Avx512DQ.VL.IsSupported)
        {
            return new(Avx512DQ.VL.Reduce(value._value, 0));
        }

        Lanes256 finite = Clamp(value, Broadcast(-float.MaxValue), Broadcast(float.MaxValue));
        return finite - Round(finite);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Clamp(Lanes256 value, Lanes256 low, Lanes256 high) =>
        new(Vector256.MinNative(high._value, Vector256.MaxNative(low._value, value._value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AddToExponent(Lanes256 value, Lanes256 shifted) =>
        new((value._value.AsInt32() + (shifted._value.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Scale(Lanes256 value, Lanes256 exponent)
    {
        if (Avx512F.VL.IsSupported)
        {
            return new(Avx512F.VL.Scale(value._value, exponent._value));
        }

        // 2^n in two factors, so that each is a normal number and only the last product rounds.
        Vector256<int> n = Vector256.ConvertToInt32(
            Vector256.Min(Vector256.Max(exponent._value, Vector256.Create(-252f)), Vector256.Create(252f)));
        Vector256<int> half = n >> 1;
        Vector256<int> bias = Vector256.Create(127);
        Vector256<float> first = ((half + bias) << 23).AsSingle();
        Vector256<float> second = ((n - half + bias) << 23).AsSingle();
        return new(value._value * first * second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 IfLess(Lanes256 x, Lanes256 limit, Lanes256 then, Lanes256 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(x._value, limit._value), then._value, otherwise._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes256 value) => Lanes128.Sum(value.Folded);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddSums(Lanes256 a, Lanes256 b, Lanes256 c, Lanes256 d, float* target)
    {
        if (!Avx.IsSupported)
        {
            Lanes128.AddSums(a.Folded, b.Folded, c.Folded, d.Folded, target);
            return;
        }

        // In the order of Sum: halves, then neighbours, then pairs, of two registers at a time.
        Vector256<float> ac = FoldedBoth(a._value, c._value), bd = FoldedBoth(b._value, d._value);
        Vector256<float> pairs = Avx.Shuffle(ac, bd, 0b10_00_10_00) + Avx.Shuffle(ac, bd, 0b11_01_11_01);
        Vector128<float> ab = pairs.GetLower(), cd = pairs.GetUpper();
        Vector128<float> sums = Sse.Shuffle(ab, cd, 0b10_00_10_00) + Sse.Shuffle(ab, cd, 0b11_01_11_01);
        Vector128.Store(Vector128.Load(target) + sums, target);
    }

    /// <summary>The upper half of each added to its lower, side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> FoldedBoth(Vector256<float> left, Vector256<float> right) =>
        left.WithUpper(right.GetLower()) + Avx.Permute2x128(left, right, 0x31);

    /// <summary>The upper half added to the lower.</summary>
    private Lanes128 Folded
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(_value.GetLower() + _value.GetUpper());
    }
}
