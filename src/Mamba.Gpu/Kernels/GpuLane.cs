using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime.Cuda;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>One float per thread: the lane type with which the CPU's operators run on a GPU.</summary>
/// <remarks>
/// ILGPU has neither fused multiply-add nor rounding to even. On CUDA devices single PTX instructions replace longer
/// sequences (PTX ISA, section 9.7.3, gives their errors).
/// </remarks>
internal readonly unsafe struct GpuLane(float value) : ILanes<GpuLane>
{
    // Adding and subtracting it rounds a float to an integer, ties to even.
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

    /// <remarks>On CUDA devices the error is at most two units in the last place, over the whole range.</remarks>
    public static GpuLane operator /(GpuLane left, GpuLane right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("div.full.f32 %0, %1, %2;", out float quotient, left.Value, right.Value);
            return new(quotient);
        }

        return new(left.Value / right.Value);
    }

    public static GpuLane operator -(GpuLane value) => new(-value.Value);

    /// <remarks>The device's compiler fuses the two.</remarks>
    public static GpuLane MultiplyAdd(GpuLane a, GpuLane b, GpuLane c) => new((a.Value * b.Value) + c.Value);

    // The devices' own minimum and maximum drop NaN. ILGPU may compile !(a < b) as a >= b where it joins conditions,
    // depending on what it compiled before: so no result depends on a comparison with NaN.
    public static GpuLane Min(GpuLane left, GpuLane right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("min.NaN.f32 %0, %1, %2;", out float result, left.Value, right.Value);
            return new(result);
        }

        GpuLane smaller = left.Value < right.Value ? left : right;
        smaller = float.IsNaN(right.Value) ? right : smaller;
        return float.IsNaN(left.Value) ? left : smaller;
    }

    public static GpuLane Max(GpuLane left, GpuLane right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("max.NaN.f32 %0, %1, %2;", out float result, left.Value, right.Value);
            return new(result);
        }

        GpuLane larger = left.Value > right.Value ? left : right;
        larger = float.IsNaN(right.Value) ? right : larger;
        return float.IsNaN(left.Value) ? left : larger;
    }

    public static GpuLane Abs(GpuLane value) => new(MathF.Abs(value.Value));

    public static GpuLane Sqrt(GpuLane value) => new(MathF.Sqrt(value.Value));

    public static GpuLane Round(GpuLane value)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("cvt.rni.f32.f32 %0, %1;", out float rounded, value.Value);
            return new(rounded);
        }

        return MathF.Abs(value.Value) < LargestRounded ? new((value.Value + Rounder) - Rounder) : value;
    }

    public static GpuLane Exponent(GpuLane value) =>
        new((int)((Interop.FloatAsInt(value.Value) >> 23) & 255u) - 127);

    public static GpuLane Fraction(GpuLane value) =>
        MathF.Abs(value.Value) < LargestRounded ? new(value.Value - ((value.Value + Rounder) - Rounder))
            : new(float.IsNaN(value.Value) ? value.Value : 0f);

    public static GpuLane Clamp(GpuLane value, GpuLane low, GpuLane high) => Max(Min(value, high), low);

    public static GpuLane AddToExponent(GpuLane value, GpuLane shifted) =>
        new(Interop.IntAsFloat(Interop.FloatAsInt(value.Value) + (Interop.FloatAsInt(shifted.Value) << 23)));

    /// <summary>2^x, with a relative error of 2e-7; 0 below the normal numbers.</summary>
    public static float Exp2(float x)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("ex2.approx.ftz.f32 %0, %1;", out float power, x);
            return power;
        }

        return XMath.Exp2(x);
    }

    public static GpuLane Scale(GpuLane value, GpuLane exponent)
    {
        if (CudaAsm.IsSupported)
        {
            // 2^n is exact. 2^(n-1) is finite whenever the result is.
            return new(value.Value * 2f * Exp2(exponent.Value - 1f));
        }

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
