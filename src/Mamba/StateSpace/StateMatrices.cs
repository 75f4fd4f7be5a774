using System.Numerics;

namespace Mamba.StateSpace;

/// <summary>The matrices A with which state-space models begin.</summary>
/// <remarks>
/// The diagonal ones are from Gu et al., <see href="https://arxiv.org/abs/2206.11893"/> (S4D), table 1; HiPPO-LegS is
/// from Gu et al., <see href="https://arxiv.org/abs/2008.07669"/>. A complex A stands for pairs: each value also for
/// its conjugate, so that <c>y = 2·Re(C·h)</c>, and N = 2·(number of values) is the size that the papers mean.
/// </remarks>
/// <example>
/// <code>
/// double[] a = new double[16];
/// StateMatrices.S4DReal(a);                  // -1, -2, ..., -16
/// </code>
/// </example>
public static class StateMatrices
{
    private const int MostPairs = 23_170; // (2·23,170)² elements are the most that fit an array

    /// <summary>S4D-Real: <c>A_n = -(n + 1)</c>, the diagonal of HiPPO-LegS; with this Mamba-1 begins.</summary>
    /// <param name="a">Written: A, shape [N].</param>
    public static void S4DReal(Span<double> a)
    {
        for (int n = 0; n < a.Length; n++)
        {
            a[n] = -(n + 1);
        }
    }

    /// <summary>S4D-Lin: <c>A_n = -1/2 + frequency·n·i</c>.</summary>
    /// <param name="a">Written: A, shape [N/2].</param>
    /// <param name="frequency">
    /// π in S4's code and paper; 1 in the Mamba paper (section 3.6).
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A frequency is infinite or not a number.</exception>
    public static void S4DLin(Span<Complex> a, double frequency = Math.PI)
    {
        Setting.Require(
            double.IsFinite(frequency * Math.Max(a.Length, 1)), nameof(frequency), "finite, times N/2", frequency);
        for (int n = 0; n < a.Length; n++)
        {
            a[n] = new(-0.5, frequency * n);
        }
    }

    /// <summary>S4D-Inv: <c>A_n = -1/2 + (N/π)·(N/(2n + 1) - 1)·i</c>.</summary>
    /// <param name="a">Written: A, shape [N/2].</param>
    public static void S4DInv(Span<Complex> a)
    {
        double size = 2.0 * a.Length;
        for (int n = 0; n < a.Length; n++)
        {
            a[n] = new(-0.5, size / Math.PI * ((size / ((2.0 * n) + 1)) - 1));
        }
    }

    /// <summary>S4D-Quad: <c>A_n = -1/2 + (2n + 1)²/π·i</c>.</summary>
    /// <param name="a">Written: A, shape [N/2].</param>
    public static void S4DQuad(Span<Complex> a)
    {
        for (int n = 0; n < a.Length; n++)
        {
            double odd = (2.0 * n) + 1;
            a[n] = new(-0.5, odd * odd / Math.PI);
        }
    }

    /// <summary>
    /// HiPPO-LegS: <c>A_nk = -√((2n + 1)(2k + 1))</c> below the diagonal, <c>-(n + 1)</c> on it, 0 above, and
    /// <c>B_n = √(2n + 1)</c>.
    /// </summary>
    /// <param name="a">Written: A, shape [N, N].</param>
    /// <param name="b">Written: B, shape [N].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="a"/> has not N² elements.</exception>
    /// <exception cref="ArgumentException">The two share memory.</exception>
    public static void HippoLegS(Span<double> a, Span<double> b)
    {
        int size = b.Length;
        ArgumentOutOfRangeException.ThrowIfNotEqual(a.Length, (long)size * size, nameof(a));
        if (a.Overlaps(b))
        {
            throw new ArgumentException("a and b must not share memory.", nameof(b));
        }

        for (int n = 0; n < size; n++)
        {
            b[n] = Math.Sqrt((2.0 * n) + 1);
            for (int k = 0; k < size; k++)
            {
                a[(n * size) + k] = n == k ? -(n + 1) : n > k ? -Math.Sqrt(((2.0 * n) + 1) * ((2.0 * k) + 1)) : 0;
            }
        }
    }

    /// <summary>
    /// S4D-LegS: the eigenvalues, of positive imaginary part and rising, of the normal part of HiPPO-LegS, which is A
    /// plus the rank-1 matrix <c>P·Pᵀ</c> with <c>P_n = √(n + 1/2)</c>.
    /// </summary>
    /// <param name="a">Written: the eigenvalues, shape [N/2].</param>
    /// <exception cref="ArgumentOutOfRangeException">N² is too large for an array.</exception>
    /// <remarks>
    /// A + P·Pᵀ = -I/2 + S with a skew-symmetric S, whose eigenvalues ±ωi are its singular values ω, each twice.
    /// Gu et al., <see href="https://arxiv.org/abs/2111.00396"/>, appendix C.1.
    /// </remarks>
    public static void HippoLegSNormal(Span<Complex> a)
    {
        Setting.Require(a.Length <= MostPairs, nameof(a), "of at most 23,170 values", a.Length);
        int size = 2 * a.Length;
        double[] skew = new double[size * size];
        for (int n = 0; n < size; n++)
        {
            for (int k = 0; k < size; k++)
            {
                // -√((2n+1)(2k+1)) + √((n+1/2)(k+1/2)) below the diagonal
                skew[(n * size) + k] = Math.Sign(k - n) * Math.Sqrt((n + 0.5) * (k + 0.5));
            }
        }

        double[] frequencies = DenseMatrix.SingularValues(skew, size);
        for (int n = 0; n < a.Length; n++)
        {
            a[n] = new(-0.5, frequencies[size - 1 - (2 * n)]);
        }
    }
}
