namespace Mamba.StateSpace;

public static partial class Discretization
{
    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = A⁻¹·(e^(ΔA) - I)·B</c> for a dense A, singular or not.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A, shape [N, N].</param>
    /// <param name="b">B, shape [N].</param>
    /// <param name="aBar">Ā, written, shape [N, N].</param>
    /// <param name="bBar">B̄, written, shape [N].</param>
    /// <exception cref="ArgumentOutOfRangeException">A length does not fit that of <paramref name="b"/>.</exception>
    /// <remarks>Both stand in one exponential: <c>exp(Δ·[A B; 0 0]) = [Ā B̄; 0 1]</c>, with no inverse of A.</remarks>
    public static void ZeroOrderHold(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = RequireSizes(a, b, aBar, bBar), m = n + 1;
        double[] block = new double[m * m];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                block[(i * m) + j] = delta * a[(i * n) + j];
            }

            block[(i * m) + n] = delta * b[i];
        }

        double[] exponential = DenseMatrix.Exponential(block, m);
        for (int i = 0; i < n; i++)
        {
            exponential.AsSpan(i * m, n).CopyTo(aBar[(i * n)..]);
            bBar[i] = exponential[(i * m) + n];
        }
    }

    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = ΔB</c> for a dense A.</summary>
    /// <inheritdoc cref="ZeroOrderHold(double, ReadOnlySpan{double}, ReadOnlySpan{double}, Span{double}, Span{double})"
    /// path="/*[not(self::summary) and not(self::remarks)]"/>
    public static void ExponentialEuler(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = RequireSizes(a, b, aBar, bBar);
        double[] scaled = a.ToArray();
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] *= delta;
        }

        DenseMatrix.Exponential(scaled, n).CopyTo(aBar);
        for (int i = 0; i < n; i++)
        {
            bBar[i] = delta * b[i];
        }
    }

    /// <summary>
    /// Computes <c>Ā = (I - ΔA/2)⁻¹·(I + ΔA/2)</c> and <c>B̄ = (I - ΔA/2)⁻¹·ΔB</c> for a dense A.
    /// </summary>
    /// <inheritdoc cref="ZeroOrderHold(double, ReadOnlySpan{double}, ReadOnlySpan{double}, Span{double}, Span{double})"
    /// path="/*[not(self::summary) and not(self::remarks)]"/>
    /// <exception cref="ArithmeticException">2/Δ is an eigenvalue of A: I - ΔA/2 is singular.</exception>
    public static void Bilinear(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = RequireSizes(a, b, aBar, bBar), m = n + 1;
        double[] left = new double[n * n], right = new double[n * m];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double half = 0.5 * delta * a[(i * n) + j], identity = i == j ? 1 : 0;
                left[(i * n) + j] = identity - half;
                right[(i * m) + j] = identity + half;
            }

            right[(i * m) + n] = delta * b[i];
        }

        DenseMatrix.Solve(left, right, n, m);
        for (int i = 0; i < n; i++)
        {
            right.AsSpan(i * m, n).CopyTo(aBar[(i * n)..]);
            bBar[i] = right[(i * m) + n];
        }
    }

    private static int RequireSizes(
        ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = b.Length;
        ArgumentOutOfRangeException.ThrowIfNotEqual(a.Length, n * n);
        ArgumentOutOfRangeException.ThrowIfNotEqual(aBar.Length, n * n);
        ArgumentOutOfRangeException.ThrowIfNotEqual(bBar.Length, n);
        return n;
    }
}
