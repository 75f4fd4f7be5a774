using System.Numerics;

namespace Mamba.StateSpace;

/// <summary>Functions whose textbook form loses digits near 0.</summary>
/// <remarks>Ours because <c>double.ExpM1</c> and <c>double.LogP1</c> are the textbook forms.</remarks>
internal static class CarefulMath
{
    /// <summary>Computes <c>e^x - 1</c>; at x = 1e-10 the textbook form keeps six digits.</summary>
    /// <remarks>Kahan: the rounding error of u = e^x cancels in (u - 1)/log u.</remarks>
    public static double Expm1(double x)
    {
        double u = Math.Exp(x);
        return u == 1 ? x
            : Math.Abs(x) > 1 ? u - 1
            : (u - 1) * x / Math.Log(u);
    }

    /// <summary>Computes <c>e^z - 1</c>.</summary>
    public static Complex Expm1(Complex z)
    {
        // e^x·cos y - 1 = (e^x - 1)·cos y - 2·sin²(y/2)
        double sine = Math.Sin(z.Imaginary / 2);
        return new(
            (Expm1(z.Real) * Math.Cos(z.Imaginary)) - (2 * sine * sine),
            Math.Exp(z.Real) * Math.Sin(z.Imaginary));
    }

    /// <summary>Computes <c>φ(z) = (e^z - 1)/z</c>, 1 at 0.</summary>
    public static double Phi(double z) => z == 0 ? 1 : Expm1(z) / z;

    /// <summary>Computes <c>φ(z) = (e^z - 1)/z</c>, 1 at 0.</summary>
    public static Complex Phi(Complex z) => z == Complex.Zero ? Complex.One : Expm1(z) / z;

    /// <summary>Computes <c>φ'(z) = (1 + (z - 1)·e^z)/z²</c>, 1/2 at 0.</summary>
    public static double PhiSlope(double z) =>
        Math.Abs(z) < 1 ? PhiSlopeSeries(z) : (1 + ((z - 1) * Math.Exp(z))) / z / z;

    /// <summary>Computes <c>φ'(z) = (1 + (z - 1)·e^z)/z²</c>, 1/2 at 0.</summary>
    public static Complex PhiSlope(Complex z) =>
        Complex.Abs(z) < 1 ? PhiSlopeSeries(z) : (1 + ((z - 1) * Complex.Exp(z))) / z / z;

    /// <summary>Computes <c>φ'(z) = Σ_k (k + 1)/(k + 2)!·z^k</c>; 20 terms reach 1e-18 for |z| ≤ 1.</summary>
    private static T PhiSlopeSeries<T>(T z)
        where T : INumberBase<T>
    {
        T power = T.One, sum = T.Zero;
        double factorial = 2;
        for (int k = 0; k < 20; k++)
        {
            sum += power * T.CreateChecked((k + 1) / factorial);
            power *= z;
            factorial *= k + 3;
        }

        return sum;
    }
}
