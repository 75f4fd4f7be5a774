namespace Mamba.StateSpace;

/// <summary>What discretisation needs of small square matrices [n, n], row-major, in double.</summary>
internal static class DenseMatrix
{
    // The Padé approximant [13/13] of e^x, and the 1-norm up to which it is exact to double (Higham 2005, Table 2.3).
    private const double PadeNorm = 5.371920351148152;

    private static readonly double[] Pade =
    [
        64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
        670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
    ];

    /// <summary>Computes <c>e^A</c> by scaling and squaring.</summary>
    /// <exception cref="OverflowException">The 1-norm of A is not finite.</exception>
    /// <remarks>Higham, The scaling and squaring method revisited, 2005, algorithm 2.3.</remarks>
    public static double[] Exponential(ReadOnlySpan<double> a, int n)
    {
        double norm = OneNorm(a, n);
        if (!double.IsFinite(norm))
        {
            throw new OverflowException($"The largest sum of a column must be finite; found {norm}.");
        }

        int squarings = (int)Math.Max(0, Math.Ceiling(Math.Log2(norm / PadeNorm)));
        double[] x = Combine(n, 0, (Math.ScaleB(1, -squarings), a.ToArray()));
        double[] x2 = Multiply(x, x, n), x4 = Multiply(x2, x2, n), x6 = Multiply(x4, x2, n);

        // e^x ≈ (v - u)⁻¹·(v + u), u the odd and v the even terms.
        double[] c = Pade;
        double[] odd = Combine(n, 0, (c[13], x6), (c[11], x4), (c[9], x2));
        double[] even = Combine(n, 0, (c[12], x6), (c[10], x4), (c[8], x2));
        double[] u = Multiply(
            x, Combine(n, c[1], (1, Multiply(x6, odd, n)), (c[7], x6), (c[5], x4), (c[3], x2)), n);
        double[] v = Combine(n, c[0], (1, Multiply(x6, even, n)), (c[6], x6), (c[4], x4), (c[2], x2));
        double[] result = Combine(n, 0, (1, v), (1, u));
        Solve(Combine(n, 0, (1, v), (-1, u)), result, n, n);

        for (int i = 0; i < squarings; i++)
        {
            result = Multiply(result, result, n);
        }

        return result;
    }

    /// <summary>Replaces X [n, columns] by <c>A⁻¹·X</c>; A is overwritten.</summary>
    /// <exception cref="ArithmeticException">A is singular.</exception>
    /// <remarks>Gaussian elimination with row pivots.</remarks>
    public static void Solve(double[] a, double[] x, int n, int columns)
    {
        for (int k = 0; k < n; k++)
        {
            int pivot = k;
            for (int i = k + 1; i < n; i++)
            {
                pivot = Math.Abs(a[(i * n) + k]) > Math.Abs(a[(pivot * n) + k]) ? i : pivot;
            }

            if (a[(pivot * n) + k] == 0)
            {
                throw new ArithmeticException("The matrix is singular.");
            }

            SwapRows(a, n, k, pivot);
            SwapRows(x, columns, k, pivot);
            for (int i = k + 1; i < n; i++)
            {
                double factor = a[(i * n) + k] / a[(k * n) + k];
                SubtractRow(a, n, k, factor, i);
                SubtractRow(x, columns, k, factor, i);
            }
        }

        for (int k = n - 1; k >= 0; k--)
        {
            for (int i = k + 1; i < n; i++)
            {
                SubtractRow(x, columns, i, a[(k * n) + i], k);
            }

            foreach (ref double value in x.AsSpan(k * columns, columns))
            {
                value /= a[(k * n) + k];
            }
        }
    }

    /// <summary>Computes the singular values of A, falling, each to full absolute accuracy; A is overwritten.</summary>
    /// <remarks>One-sided Jacobi: rotate pairs of rows until all are orthogonal; their norms are the values.</remarks>
    public static double[] SingularValues(double[] a, int n)
    {
        bool rotated = true;
        while (rotated)
        {
            rotated = false;
            for (int p = 0; p < n - 1; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    rotated |= Orthogonalize(a.AsSpan(p * n, n), a.AsSpan(q * n, n));
                }
            }
        }

        double[] values = new double[n];
        for (int row = 0; row < n; row++)
        {
            ReadOnlySpan<double> vector = a.AsSpan(row * n, n);
            values[row] = Math.Sqrt(Dot(vector, vector));
        }

        Array.Sort(values);
        Array.Reverse(values);
        return values;
    }

    private static bool Orthogonalize(Span<double> p, Span<double> q)
    {
        double pp = Dot(p, p), qq = Dot(q, q), pq = Dot(p, q);
        if (Math.Abs(pq) <= p.Length * 2.3e-16 * Math.Sqrt(pp) * Math.Sqrt(qq)) // a product's own rounding
        {
            return false;
        }

        // The smaller rotation that makes p·q = 0: tan θ = t.
        double zeta = (qq - pp) / (2 * pq);
        double t = (zeta < 0 ? -1 : 1) / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta)));
        double cosine = 1 / Math.Sqrt(1 + (t * t)), sine = cosine * t;
        for (int i = 0; i < p.Length; i++)
        {
            (p[i], q[i]) = ((cosine * p[i]) - (sine * q[i]), (sine * p[i]) + (cosine * q[i]));
        }

        return true;
    }

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        double sum = 0;
        for (int i = 0; i < x.Length; i++)
        {
            sum += x[i] * y[i];
        }

        return sum;
    }

    /// <summary>Computes <c>identity·I + Σ factor·matrix</c>.</summary>
    private static double[] Combine(int n, double identity, params ReadOnlySpan<(double Factor, double[] Matrix)> terms)
    {
        double[] sum = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            sum[(i * n) + i] = identity;
        }

        foreach ((double factor, double[] matrix) in terms)
        {
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += factor * matrix[i];
            }
        }

        return sum;
    }

    private static double[] Multiply(double[] left, double[] right, int n)
    {
        double[] product = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int k = 0; k < n; k++)
            {
                for (int j = 0; j < n; j++)
                {
                    product[(i * n) + j] += left[(i * n) + k] * right[(k * n) + j];
                }
            }
        }

        return product;
    }

    /// <summary>The largest sum of magnitudes in a column.</summary>
    private static double OneNorm(ReadOnlySpan<double> a, int n)
    {
        double largest = 0;
        for (int column = 0; column < n; column++)
        {
            double sum = 0;
            for (int row = 0; row < n; row++)
            {
                sum += Math.Abs(a[(row * n) + column]);
            }

            largest = Math.Max(largest, sum);
        }

        return largest;
    }

    private static void SwapRows(double[] a, int width, int i, int j)
    {
        for (int column = 0; i != j && column < width; column++)
        {
            (a[(i * width) + column], a[(j * width) + column]) = (a[(j * width) + column], a[(i * width) + column]);
        }
    }

    /// <summary>Computes <c>row -= factor·source</c>.</summary>
    private static void SubtractRow(double[] a, int width, int source, double factor, int row)
    {
        for (int column = 0; column < width; column++)
        {
            a[(row * width) + column] -= factor * a[(source * width) + column];
        }
    }
}
