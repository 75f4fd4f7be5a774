namespace Mamba.Simd;

/// <summary>
/// The floats of one vector register, a single float, or the float of a GPU thread. An operation is written once over
/// <typeparamref name="TSelf"/> and compiled for every width; <see cref="LaneMath"/> has the elementary functions.
/// </summary>
/// <remarks>
/// Every member gives the same bits at every register width on one machine, so an element's value does not depend on
/// its place in a register.
/// </remarks>
/// <typeparam name="TSelf">The lanes themselves.</typeparam>
public unsafe interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    /// <summary>Number of floats.</summary>
    static abstract int Count { get; }

    /// <summary>One value in all lanes.</summary>
    static abstract TSelf Broadcast(float value);

    /// <summary>Reads <see cref="Count"/> floats.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>Writes <see cref="Count"/> floats.</summary>
    static abstract void Store(TSelf value, float* target);

    /// <summary>The sum, lane by lane.</summary>
    static abstract TSelf operator +(TSelf left, TSelf right);

    /// <summary>The difference, lane by lane.</summary>
    static abstract TSelf operator -(TSelf left, TSelf right);

    /// <summary>The product, lane by lane.</summary>
    static abstract TSelf operator *(TSelf left, TSelf right);

    /// <summary>The quotient, lane by lane.</summary>
    static abstract TSelf operator /(TSelf left, TSelf right);

    /// <summary>The negative value, lane by lane.</summary>
    static abstract TSelf operator -(TSelf value);

    /// <summary>Computes <c>a·b + c</c>, with one rounding if the machine can.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>The smaller value; NaN if either is NaN.</summary>
    static abstract TSelf Min(TSelf left, TSelf right);

    /// <summary>The larger value; NaN if either is NaN.</summary>
    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>The absolute value.</summary>
    static abstract TSelf Abs(TSelf value);

    /// <summary>The square root.</summary>
    static abstract TSelf Sqrt(TSelf value);

    /// <summary>Rounds to the nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf value);

    /// <summary>
    /// The exponent of a normal number, <c>⌊log₂|value|⌋</c>; -127 of 0 and of subnormal numbers, 128 of infinity and
    /// NaN.
    /// </summary>
    static abstract TSelf Exponent(TSelf value);

    /// <summary>The value less the nearest integer, <c>value - Round(value)</c>; 0 at infinity.</summary>
    static abstract TSelf Fraction(TSelf value);

    /// <summary>
    /// The value, at least <paramref name="low"/> and at most <paramref name="high"/>; NaN stays NaN.
    /// </summary>
    static abstract TSelf Clamp(TSelf value, TSelf low, TSelf high);

    /// <summary>
    /// Computes <c>value·2^n</c> by adding n to the exponent, without a check for overflow; <paramref name="shifted"/>
    /// holds <c>n + 1.5·2^23</c>, whose lowest bits are n.
    /// </summary>
    static abstract TSelf AddToExponent(TSelf value, TSelf shifted);

    /// <summary>
    /// Computes <c>value·2^exponent</c> with one rounding; <paramref name="exponent"/> holds integers.
    /// </summary>
    static abstract TSelf Scale(TSelf value, TSelf exponent);

    /// <summary>Computes <c>x &lt; limit ? then : otherwise</c>, lane by lane.</summary>
    static abstract TSelf IfLess(TSelf x, TSelf limit, TSelf then, TSelf otherwise);

    /// <summary>Adds all lanes, in an order that is fixed for the width.</summary>
    static abstract float Sum(TSelf value);

    /// <summary>Adds the sum of the lanes of each of four values to <c>target[0..4]</c>, in a fixed order.</summary>
    static abstract void AddSums(TSelf a, TSelf b, TSelf c, TSelf d, float* target);
}
