namespace Mamba.Tests.Reference;

/// <summary>Elementary functions in double that the framework lacks.</summary>
internal static class DoubleMath
{
    /// <summary>log(1 + x), accurate near 0 (Kahan's quotient).</summary>
    public static double Log1p(double x)
    {
        double u = 1 + x;
        return u == 1 ? x : Math.Log(u) * x / (u - 1);
    }

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    public static double Softplus(double x) => x > 20 ? x : Math.Max(x, 0) + Log1p(Math.Exp(-Math.Abs(x)));
}
