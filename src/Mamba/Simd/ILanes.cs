namespace Mamba.Simd;

/// <summary>
/// A few floats that are computed with at once: one register of a certain width, or a single float.
/// The maths of an operation is written once over <typeparamref name="TSelf"/> and compiled for every width.
/// </summary>
/// <remarks>
/// Every member gives the same bits at every width on one machine, so that an element's value does not depend on
/// where in a register it happened to stand.
/// </remarks>
internal unsafe interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    /// <summary>Number of floats.</summary>
    static abstract int Count { get; }

    static abstract TSelf Broadcast(float value);

    static abstract TSelf Load(float* source);

    static abstract void Store(TSelf value, float* target);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf left, TSelf right);

    static abstract TSelf operator *(TSelf left, TSelf right);

    static abstract TSelf operator /(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf value);

    /// <summary>Computes <c>a·b + c</c>, with one rounding where the machine can.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>The smaller value; NaN where either is NaN.</summary>
    static abstract TSelf Min(TSelf left, TSelf right);

    /// <summary>The larger value; NaN where either is NaN.</summary>
    static abstract TSelf Max(TSelf left, TSelf right);

    static abstract TSelf Abs(TSelf value);

    static abstract TSelf Sqrt(TSelf value);

    /// <summary>Rounds to the nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf value);

    /// <summary>What rounding to the nearest integer takes away, <c>value - Round(value)</c>; 0 at infinity.</summary>
    static abstract TSelf Fraction(TSelf value);

    /// <summary>The value, at least <paramref name="low"/> and at most <paramref name="high"/>; NaN stays NaN.</summary>
    static abstract TSelf Clamp(TSelf value, TSelf low, TSelf high);

    /// <summary>
    /// Computes <c>value·2^n</c> by adding n to the exponent, with no regard to overflow; <paramref name="shifted"/>
    /// holds <c>n + 1.5·2^23</c>, whose lowest bits are n.
    /// </summary>
    static abstract TSelf AddToExponent(TSelf value, TSelf shifted);

    /// <summary>Computes <c>value·2^exponent</c> with one rounding; <paramref name="exponent"/> holds integers.</summary>
    static abstract TSelf Scale(TSelf value, TSelf exponent);

    /// <summary>Computes <c>x &lt; limit ? then : otherwise</c>, lane by lane.</summary>
    static abstract TSelf IfLess(TSelf x, TSelf limit, TSelf then, TSelf otherwise);

    /// <summary>Adds all lanes, in an order that is fixed for the width.</summary>
    static abstract float Sum(TSelf value);

    /// <summary>Adds the sum of the lanes of each of four values to <c>target[0..4]</c>, in a fixed order.</summary>
    static abstract void AddSums(TSelf a, TSelf b, TSelf c, TSelf d, float* target);
}
