using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>The meaning of four consecutive numbers of a state: four real states, or two complex ones.</summary>
/// <remarks>
/// B and C of a token have their numbers in this order, each real part followed by its imaginary part. A and h are
/// rows of channels, all real parts first.
/// </remarks>
internal interface IScanNumbers
{
    /// <summary>The row of A or of h that holds a number.</summary>
    static abstract int RowOf(int number, int states);

    /// <summary>A, from its logarithm.</summary>
    static abstract Quad FromLog(Quad log);

    /// <summary><c>exp(Δ·A)</c></summary>
    /// <param name="a">A.</param>
    /// <param name="delta">Δ.</param>
    static abstract Quad Decay(Quad a, float delta);

    static abstract Quad Times(Quad a, Quad b);

    /// <summary><c>conj(a)·b</c></summary>
    static abstract Quad ConjugateTimes(Quad a, Quad b);

    /// <summary>r such that <c>C·h = Σ r·h</c>, from C. From <c>Σ gy·h</c>: the gradient of C.</summary>
    static abstract Quad Reading(Quad c);
}

/// <summary>Four real states.</summary>
internal readonly struct RealNumbers : IScanNumbers
{
    public static int RowOf(int number, int states) => number;

    public static Quad FromLog(Quad log) => Quad.Map<Elementwise.NegatedExp>(log);

    public static Quad Decay(Quad a, float delta)
    {
        float scaled = delta * ScanConstants.Log2E;
        return new(
            ScanMath.Decay(scaled * a.X),
            ScanMath.Decay(scaled * a.Y),
            ScanMath.Decay(scaled * a.Z),
            ScanMath.Decay(scaled * a.W));
    }

    public static Quad Times(Quad a, Quad b) => a * b;

    public static Quad ConjugateTimes(Quad a, Quad b) => a * b;

    public static Quad Reading(Quad c) => c;
}

/// <summary>Two complex states; <c>C·h</c> means <c>2·Re(C·h)</c>.</summary>
internal readonly struct ComplexNumbers : IScanNumbers
{
    public static int RowOf(int number, int states) => (number >> 1) + ((number & 1) * states);

    public static Quad FromLog(Quad log) =>
        new(Quad.Of<Elementwise.NegatedExp>(log.X), log.Y, Quad.Of<Elementwise.NegatedExp>(log.Z), log.W);

    public static Quad Decay(Quad a, float delta)
    {
        float scaled = delta * ScanConstants.Log2E;
        float first = ScanMath.Decay(scaled * a.X), second = ScanMath.Decay(scaled * a.Z);
        (GpuLane sin, GpuLane cos) = LaneMath.SinCos(new GpuLane(delta * a.Y));
        (GpuLane otherSin, GpuLane otherCos) = LaneMath.SinCos(new GpuLane(delta * a.W));
        return new(first * cos.Value, first * sin.Value, second * otherCos.Value, second * otherSin.Value);
    }

    public static Quad Times(Quad a, Quad b) => new(
        (a.X * b.X) - (a.Y * b.Y), (a.X * b.Y) + (a.Y * b.X), (a.Z * b.Z) - (a.W * b.W), (a.Z * b.W) + (a.W * b.Z));

    public static Quad ConjugateTimes(Quad a, Quad b) => new(
        (a.X * b.X) + (a.Y * b.Y), (a.X * b.Y) - (a.Y * b.X), (a.Z * b.Z) + (a.W * b.W), (a.Z * b.W) - (a.W * b.Z));

    public static Quad Reading(Quad c) => new(2f * c.X, -2f * c.Y, 2f * c.Z, -2f * c.W);
}

/// <summary>Whether B or C may be the same for all tokens; if not, the loops need no branch.</summary>
internal interface IScanCouplings
{
    static abstract bool MayBeConstant { get; }
}

/// <summary>Every token has its own B and C.</summary>
internal readonly struct TokenCouplings : IScanCouplings
{
    public static bool MayBeConstant => false;
}

/// <summary>B or C, or both, are the same for all tokens.</summary>
internal readonly struct ConstantCouplings : IScanCouplings
{
    public static bool MayBeConstant => true;
}

internal static class ScanMath
{
    /// <summary>Computes <c>2^x</c> for the decay of a state.</summary>
    /// <remarks>
    /// A device's 2^x may be off by 2e-7. Near 0 a decay is repeated thousands of times: at x = -1e-4 the state would
    /// be off by 2e-3. There the first terms of the series are exact to 1e-8, or better for smaller x.
    /// </remarks>
    public static float Decay(float x)
    {
        float near = (((((5.55041087e-2f * x) + 0.240226507f) * x) + 0.693147181f) * x) + 1f;
        float far = GpuLane.Exp2(x);
        return MathF.Abs(x) < 0.03125f ? near : far;
    }
}

internal static class ScanConstants
{
    /// <summary>Tokens between two barriers, and between two checkpoints.</summary>
    public const int ChunkLength = 16;

    /// <summary>The most threads along the channels of a tile.</summary>
    public const int MaxLanes = 32;

    /// <summary>The most threads that share a channel's states, four numbers each.</summary>
    public const int MaxSlots = 4;

    public const float Log2E = 1.44269504f;
}
