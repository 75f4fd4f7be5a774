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
/// <example>
/// <code>
/// Discretized&lt;double&gt; held = Discretization.ZeroOrderHold(delta: 0.1, a: -1, b: 1);
/// double h = 0;
/// h = (held.ABar * h) + (held.BBar * 3);    // one step with the input 3
/// </code>
/// </example>
public static partial class Discretization
{
    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = (e^(ΔA) - 1)/A·B</c>, which is <c>ΔB</c> at A = 0.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <returns>The recurrence.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument, or ΔA, is infinite or not a number.</exception>
    /// <exception cref="OverflowException">A factor or a derivative is too large for a double.</exception>
    public static Discretized<double> ZeroOrderHold(double delta, double a, double b)
    {
        double z = Product(delta, a, b);
        return Exponential(delta, a, b, Math.Exp(z), CarefulMath.Phi(z), CarefulMath.PhiSlope(z));
    }

    /// <inheritdoc cref="ZeroOrderHold(double, double, double)"/>
    public static Discretized<Complex> ZeroOrderHold(double delta, Complex a, Complex b)
    {
        Complex z = Product(delta, a, b);
        return Exponential(delta, a, b, Complex.Exp(z), CarefulMath.Phi(z), CarefulMath.PhiSlope(z));
    }

    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = ΔB</c>.</summary>
    /// <inheritdoc cref="ZeroOrderHold(double, double, double)" path="/*[not(self::summary)]"/>
    public static Discretized<double> ExponentialEuler(double delta, double a, double b) =>
        ExponentialEuler(delta, a, b, Math.Exp(Product(delta, a, b)));

    /// <inheritdoc cref="ExponentialEuler(double, double, double)"/>
    public static Discretized<Complex> ExponentialEuler(double delta, Complex a, Complex b) =>
        ExponentialEuler(delta, a, b, Complex.Exp(Product(delta, a, b)));

    /// <summary>Computes <c>Ā = (1 + ΔA/2)/(1 - ΔA/2)</c> and <c>B̄ = ΔB/(1 - ΔA/2)</c>.</summary>
    /// <inheritdoc cref="ZeroOrderHold(double, double, double)" path="/*[not(self::summary)]"/>
    /// <exception cref="ArithmeticException">ΔA is 2, where the factors have a pole.</exception>
    public static Discretized<double> Bilinear(double delta, double a, double b) =>
        Bilinear<double>(delta, a, b, 0.5 * Product(delta, a, b));

    /// <inheritdoc cref="Bilinear(double, double, double)"/>
    public static Discretized<Complex> Bilinear(double delta, Complex a, Complex b) =>
        Bilinear<Complex>(delta, a, b, 0.5 * Product(delta, a, b));

    /// <summary>Zero-order hold from <c>e^(ΔA)</c>, <c>φ(ΔA)</c> and <c>φ'(ΔA)</c>, φ(z) = (e^z - 1)/z.</summary>
    private static Discretized<T> Exponential<T>(T delta, T a, T b, T exp, T phi, T slope)
        where T : struct, INumberBase<T> => Finite(new Discretized<T>
        {
            ABar = exp,
            BBar = delta * phi * b,
            ABarByA = delta * exp,
            ABarByDelta = a * exp,
            BBarByA = delta * delta * slope * b,
            BBarByB = delta * phi,
            BBarByDelta = exp * b,
        });

    private static Discretized<T> ExponentialEuler<T>(T delta, T a, T b, T exp)
        where T : struct, INumberBase<T> => Finite(new Discretized<T>
        {
            ABar = exp,
            BBar = delta * b,
            ABarByA = delta * exp,
            ABarByDelta = a * exp,
            BBarByA = T.Zero,
            BBarByB = delta,
            BBarByDelta = b,
        });

    private static Discretized<T> Bilinear<T>(T delta, T a, T b, T half)
        where T : struct, INumberBase<T>
    {
        if (half == T.One)
        {
            throw new ArithmeticException($"1 - ΔA/2 is singular at Δ = {delta} and A = {a}.");
        }

        // With r = 1/(1 - ΔA/2): ∂r/∂A = r²·Δ/2, and 1 + r·ΔA/2 = r.
        T r = T.One / (T.One - half), square = r * r;
        return Finite(new Discretized<T>
        {
            ABar = (T.One + half) * r,
            BBar = delta * b * r,
            ABarByA = delta * square,
            ABarByDelta = a * square,
            BBarByA = delta * delta * b * square / (T.One + T.One),
            BBarByB = delta * r,
            BBarByDelta = b * square,
        });
    }

    /// <summary>Computes ΔA.</summary>
    private static T Product<T>(T delta, T a, T b)
        where T : struct, INumberBase<T>
    {
        T z = delta * a;
        Setting.Require(T.IsFinite(delta), nameof(delta), "finite", delta);
        Setting.Require(T.IsFinite(a), nameof(a), "finite", a);
        Setting.Require(T.IsFinite(b), nameof(b), "finite", b);
        Setting.Require(T.IsFinite(z), nameof(delta), "small enough for a finite ΔA", delta);
        return z;
    }

    private static Discretized<T> Finite<T>(Discretized<T> system)
        where T : struct, INumberBase<T>
    {
        bool isFinite = T.IsFinite(system.ABar) && T.IsFinite(system.BBar) && T.IsFinite(system.ABarByA)
            && T.IsFinite(system.ABarByDelta) && T.IsFinite(system.BBarByA) && T.IsFinite(system.BBarByB)
            && T.IsFinite(system.BBarByDelta);
        return isFinite ? system : throw new OverflowException($"Some of these are too large for a double: {system}.");
    }
}
