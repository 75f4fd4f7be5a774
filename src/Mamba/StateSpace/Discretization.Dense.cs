namespace Mamba.StateSpace;

public static partial class Discretization
{
    /// <summary>Computes <c>Ā = e^(ΔA)</c> and <c>B̄ = A⁻¹·(e^(ΔA) - I)·B</c> for a dense A, singular or not.</summary>
    /// <param name="delta">Δ, the step.</param>
    /// <param name="a">A, shape [N, N].</param>
    /// <param name="b">B, shape [N].</param>
    /// <param name="aBar">Ā, written, shape [N, N]; may share memory with an input.</param>
    /// <param name="bBar">B̄, written, shape [N]; may share memory with an input.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A length does not fit that of <paramref name="b"/>, or a number is infinite or not a number.
    /// </exception>
    /// <exception cref="ArgumentException">The two outputs share memory.</exception>
    /// <exception cref="OverflowException">
    /// A result, or the sum of a column of Δ·[A B], is too large for a double.
    /// </exception>
    /// <remarks>Both stand in one exponential: <c>exp(Δ·[A B; 0 0]) = [Ā B̄; 0 1]</c>, with no inverse of A.</remarks>
    public static void ZeroOrderHold(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = Require(delta, a, b, aBar, bBar), m = n + 1;
        double[] block = new double[checked(m * m)];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                block[(i * m) + j] = delta * a[(i * n) + j];
            }

            block[(i * m) + n] = delta * b[i];
        }

        double[] exponential = Finite(DenseMatrix.Exponential(block, m));
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
        int n = Require(delta, a, b, aBar, bBar);
        double[] exponential = Finite(DenseMatrix.Exponential(Scaled(delta, a), n)), input = Finite(Scaled(delta, b));
        exponential.CopyTo(aBar);
        input.CopyTo(bBar);
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
        int n = Require(delta, a, b, aBar, bBar), m = n + 1;
        double[] left = new double[n * n], right = new double[checked(n * m)];
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
        Finite(right);
        for (int i = 0; i < n; i++)
        {
            right.AsSpan(i * m, n).CopyTo(aBar[(i * n)..]);
            bBar[i] = right[(i * m) + n];
        }
    }

    /// <summary>Checks all arguments.</summary>
    /// <returns>N.</returns>
    private static int Require(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar)
    {
        int n = b.Length;
        long square = (long)n * n;
        ArgumentOutOfRangeException.ThrowIfNotEqual(a.Length, square, nameof(a));
        ArgumentOutOfRangeException.ThrowIfNotEqual(aBar.Length, square, nameof(aBar));
        ArgumentOutOfRangeException.ThrowIfNotEqual(bBar.Length, n, nameof(bBar));
        if (aBar.Overlaps(bBar))
        {
            throw new ArgumentException("aBar and bBar must not share memory.", nameof(bBar));
        }

        Setting.Require(double.IsFinite(delta), nameof(delta), "finite", delta);
        RequireFinite(a, nameof(a));
        RequireFinite(b, nameof(b));
        return n;
    }

    private static void RequireFinite(ReadOnlySpan<double> values, string name)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                throw Setting.Refusal(name, "finite", $"{values[i]} at {i}");
            }
        }
    }

    private static double[] Scaled(double factor, ReadOnlySpan<double> values)
    {
        double[] scaled = values.ToArray();
        foreach (ref double value in scaled.AsSpan())
        {
            value *= factor;
        }

        return scaled;
    }

    private static double[] Finite(double[] results) => Array.TrueForAll(results, double.IsFinite)
        ? results
        : throw new OverflowException("The recurrence is too large for a double.");
}
