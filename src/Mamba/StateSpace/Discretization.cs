using System.Numerics;

namespace Mamba.StateSpace;

/// <summary>
/// Turns the continuous system <c>h'(t) = A·h(t) + B·x(t)</c> into a recurrence with step Δ; here for one state of a
/// diagonal A, real or complex.
/// </summary>
/// <remarks>
/// Zero-order hold is what the Mamba paper prints (Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, eq. 4);
/// exponential-Euler is what released Mamba-1 and Mamba-2 weights were trained with; bilinear is S4's (Gu et al.,
/// <see href="https://arxiv.org/abs/2111.00396"/>, eq. 3).
/// </remarks>
public static partial class Discretization
{
    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = (e^(ΔA) - 1)/A·B</c>, which is <c>ΔB</c> at A = 0.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <returns>The recurrence.</returns>
    public static Discretized<double> ZeroOrderHold(double delta, double a, double b) =>
        Exponential(delta, a, b, Math.Exp(delta * a), CarefulMath.Phi(delta * a), CarefulMath.PhiSlope(delta * a));

    /// <inheritdoc cref="ZeroOrderHold(double, double, double)"/>
    public static Discretized<Complex> ZeroOrderHold(double delta, Complex a, Complex b) =>
        Exponential(delta, a, b, Complex.Exp(delta * a), CarefulMath.Phi(delta * a), CarefulMath.PhiSlope(delta * a));

    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = ΔB</c>.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <returns>The recurrence.</returns>
    public static Discretized<double> ExponentialEuler(double delta, double a, double b) =>
        ExponentialEuler(delta, a, b, Math.Exp(delta * a));

    /// <inheritdoc cref="ExponentialEuler(double, double, double)"/>
    public static Discretized<Complex> ExponentialEuler(double delta, Complex a, Complex b) =>
        ExponentialEuler(delta, a, b, Complex.Exp(delta * a));

    /// <summary>Computes <c>Ā = (1 + ΔA/2)/(1 - ΔA/2)</c> and <c>B̄ = ΔB/(1 - ΔA/2)</c>.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <returns>The recurrence.</returns>
    /// <remarks>There is a pole at ΔA = 2.</remarks>
    public static Discretized<double> Bilinear(double delta, double a, double b) =>
        Bilinear<double>(delta, a, b, 0.5 * delta * a);

    /// <inheritdoc cref="Bilinear(double, double, double)"/>
    public static Discretized<Complex> Bilinear(double delta, Complex a, Complex b) =>
        Bilinear<Complex>(delta, a, b, 0.5 * delta * a);

    /// <summary>Zero-order hold from <c>e^(ΔA)</c>, <c>φ(ΔA)</c> and <c>φ'(ΔA)</c>, φ(z) = (e^z - 1)/z.</summary>
    private static Discretized<T> Exponential<T>(T delta, T a, T b, T exp, T phi, T slope)
        where T : struct, INumberBase<T> => new()
        {
            ABar = exp,
            BBar = delta * phi * b,
            ABarByA = delta * exp,
            ABarByDelta = a * exp,
            BBarByA = delta * delta * slope * b,
            BBarByB = delta * phi,
            BBarByDelta = exp * b,
        };

    private static Discretized<T> ExponentialEuler<T>(T delta, T a, T b, T exp)
        where T : struct, INumberBase<T> => new()
        {
            ABar = exp,
            BBar = delta * b,
            ABarByA = delta * exp,
            ABarByDelta = a * exp,
            BBarByA = T.Zero,
            BBarByB = delta,
            BBarByDelta = b,
        };

    private static Discretized<T> Bilinear<T>(T delta, T a, T b, T half)
        where T : struct, INumberBase<T>
    {
        // With r = 1/(1 - ΔA/2): ∂r/∂A = r²·Δ/2, and 1 + r·ΔA/2 = r.
        T r = T.One / (T.One - half), square = r * r;
        return new()
        {
            ABar = (T.One + half) * r,
            BBar = delta * b * r,
            ABarByA = delta * square,
            ABarByDelta = a * square,
            BBarByA = delta * delta * b * square / (T.One + T.One),
            BBarByB = delta * r,
            BBarByDelta = b * square,
        };
    }
}
