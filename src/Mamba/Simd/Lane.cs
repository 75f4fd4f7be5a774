using System.Runtime.CompilerServices;

namespace Mamba.Simd;

/// <summary>One float: the last elements of a row, and machines without vector instructions.</summary>
internal readonly unsafe partial struct Lane(float value) : ILanes<Lane>
{
    public float Value { get; } = value;

    public static int Count => 1;

    public static Lane Broadcast(float value) => new(value);

    public static Lane Load(float* source) => new(*source);

    public static void Store(Lane value, float* target) => *target = value.Value;

    public static Lane operator +(Lane left, Lane right) => new(left.Value + right.Value);

    public static Lane operator -(Lane left, Lane right) => new(left.Value - right.Value);

    public static Lane operator *(Lane left, Lane right) => new(left.Value * right.Value);

    public static Lane operator /(Lane left, Lane right) => new(left.Value / right.Value);

    public static Lane operator -(Lane value) => new(-value.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane MultiplyAdd(Lane a, Lane b, Lane c) =>
        new(float.MultiplyAddEstimate(a.Value, b.Value, c.Value));

    public static Lane Min(Lane left, Lane right) => new(MathF.Min(left.Value, right.Value));

    public static Lane Max(Lane left, Lane right) => new(MathF.Max(left.Value, right.Value));

    public static Lane Abs(Lane value) => new(MathF.Abs(value.Value));

    public static Lane Sqrt(Lane value) => new(MathF.Sqrt(value.Value));

    public static Lane Round(Lane value) => new(MathF.Round(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane Exponent(Lane value) =>
        new(((BitConverter.SingleToInt32Bits(value.Value) >>> 23) & 255) - 127);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane Fraction(Lane value)
    {
        float finite = MathF.Max(MathF.Min(value.Value, float.MaxValue), -float.MaxValue);
        return new(finite - MathF.Round(finite));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane Clamp(Lane value, Lane low, Lane high) =>
        value.Value < low.Value ? low : value.Value > high.Value ? high : value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane AddToExponent(Lane value, Lane shifted) =>
        new(BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(value.Value) + (BitConverter.SingleToInt32Bits(shifted.Value) << 23)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane Scale(Lane value, Lane exponent)
    {
        // 2^n in two factors, so that each is a normal number and only the last product rounds.
        int n = (int)MathF.Min(MathF.Max(exponent.Value, -252f), 252f);
        int half = n >> 1;
        float first = BitConverter.Int32BitsToSingle((half + 127) << 23);
        float second = BitConverter.Int32BitsToSingle((n - half + 127) << 23);
        return new(value.Value * first * second);
    }

    public static Lane IfLess(Lane x, Lane limit, Lane then, Lane otherwise) =>
        x.Value < limit.Value ? then : otherwise;

    public static float Sum(Lane value) => value.Value;

    public static void AddSums(Lane a, Lane b, Lane c, Lane d, float* target)
    {
        target[0] += a.Value;
        target[1] += b.Value;
        target[2] += c.Value;
        target[3] += d.Value;
    }
}
