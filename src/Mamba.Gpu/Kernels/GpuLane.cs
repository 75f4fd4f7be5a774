using ILGPU;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>One float of a GPU's thread: what the operators of the processor compute with on a GPU.</summary>
/// <remarks>Written with what ILGPU compiles; it knows neither fused multiply-add nor rounding to even.</remarks>
internal readonly unsafe struct GpuLane(float value) : ILanes<GpuLane>
{
    // Adding it pushes a float's fraction out of its digits, rounded to even.
    private const float Rounder = 12582912f; // 1.5·2^23
    private const float LargestRounded = 4194304f;

    public float Value { get; } = value;

    public static int Count => 1;

    public static GpuLane Broadcast(float value) => new(value);

    public static GpuLane Load(float* source) => new(*source);

    public static void Store(GpuLane value, float* target) => *target = value.Value;

    public static GpuLane operator +(GpuLane left, GpuLane right) => new(left.Value + right.Value);

    public static GpuLane operator -(GpuLane left, GpuLane right) => new(left.Value - right.Value);

    public static GpuLane operator *(GpuLane left, GpuLane right) => new(left.Value * right.Value);

    public static GpuLane operator /(GpuLane left, GpuLane right) => new(left.Value / right.Value);

    public static GpuLane operator -(GpuLane value) => new(-value.Value);

    /// <remarks>The device's compiler fuses the two.</remarks>
    public static GpuLane MultiplyAdd(GpuLane a, GpuLane b, GpuLane c) => new((a.Value * b.Value) + c.Value);

    // The devices' own minimum and maximum drop NaN. ILGPU takes !(a < b) for a >= b when it joins conditions,
    // depending on what it compiled before: so no comparison meets NaN whose outcome matters.
    public static GpuLane Min(GpuLane left, GpuLane right)
    {
        GpuLane smaller = left.Value < right.Value ? left : right;
        smaller = float.IsNaN(right.Value) ? right : smaller;
        return float.IsNaN(left.Value) ? left : smaller;
    }

    public static GpuLane Max(GpuLane left, GpuLane right)
    {
        GpuLane larger = left.Value > right.Value ? left : right;
        larger = float.IsNaN(right.Value) ? right : larger;
        return float.IsNaN(left.Value) ? left : larger;
    }

    public static GpuLane Abs(GpuLane value) => new(MathF.Abs(value.Value));

    public static GpuLane Sqrt(GpuLane value) => new(MathF.Sqrt(value.Value));

    public static GpuLane Round(GpuLane value) =>
        MathF.Abs(value.Value) < LargestRounded ? new((value.Value + Rounder) - Rounder) : value;

    public static GpuLane Fraction(GpuLane value) =>
        MathF.Abs(value.Value) < LargestRounded ? new(value.Value - ((value.Value + Rounder) - Rounder))
            : new(float.IsNaN(value.Value) ? value.Value : 0f);

    public static GpuLane Clamp(GpuLane value, GpuLane low, GpuLane high) => Max(Min(value, high), low);

    public static GpuLane AddToExponent(GpuLane value, GpuLane shifted) =>
        new(Interop.IntAsFloat(Interop.FloatAsInt(value.Value) + (Interop.FloatAsInt(shifted.Value) << 23)));

    public static GpuLane Scale(GpuLane value, GpuLane exponent)
    {
        // As Lane.Scale: two factors, each a normal number.
        float limited = exponent.Value < -252f ? -252f : exponent.Value > 252f ? 252f : exponent.Value;
        int n = (int)limited;
        int half = n >> 1;
        float first = Interop.IntAsFloat((uint)((half + 127) << 23));
        float second = Interop.IntAsFloat((uint)((n - half + 127) << 23));
        return new(value.Value * first * second);
    }

    public static GpuLane IfLess(GpuLane x, GpuLane limit, GpuLane then, GpuLane otherwise) =>
        x.Value < limit.Value ? then : otherwise;

    public static float Sum(GpuLane value) => value.Value;

    public static void AddSums(GpuLane a, GpuLane b, GpuLane c, GpuLane d, float* target)
    {
        target[0] += a.Value;
        target[1] += b.Value;
        target[2] += c.Value;
        target[3] += d.Value;
    }
}
