using System.Numerics;
using Mamba.StateSpace;

namespace Mamba.Tests.StateSpace;

public sealed class StateMatricesTests
{
    [Fact]
    public void S4D_real_counts_down_from_minus_1()
    {
        double[] a = new double[4];

        StateMatrices.S4DReal(a);

        a.Should().Equal(-1, -2, -3, -4);
    }

    [Fact]
    public void S4D_lin_has_both_printed_frequencies()
    {
        Complex[] code = new Complex[3], mamba = new Complex[3];

        StateMatrices.S4DLin(code);
        StateMatrices.S4DLin(mamba, frequency: 1);

        code.Should().Equal(new Complex[] { new(-0.5, 0), new(-0.5, Math.PI), new(-0.5, 2 * Math.PI) });
        mamba.Should().Equal(new Complex[] { new(-0.5, 0), new(-0.5, 1), new(-0.5, 2) });
    }

    [Fact]
    public void S4D_inv_and_quad_match_their_formulas()
    {
        Complex[] inverse = new Complex[2], quadratic = new Complex[2];

        StateMatrices.S4DInv(inverse);
        StateMatrices.S4DQuad(quadratic);

        inverse[0].Imaginary.Should().BeApproximately(4 / Math.PI * 3, 1e-14);
        inverse[1].Imaginary.Should().BeApproximately(4 / Math.PI / 3, 1e-14);
        quadratic[1].Imaginary.Should().BeApproximately(9 / Math.PI, 1e-14);
        inverse.Concat(quadratic).Should().OnlyContain(a => a.Real == -0.5);
    }

    [Fact]
    public void Hippo_matches_its_formula()
    {
        double[] a = new double[9], b = new double[3];

        StateMatrices.HippoLegS(a, b);

        double r3 = Math.Sqrt(3), r5 = Math.Sqrt(5), r15 = Math.Sqrt(15);
        a.ShouldBeClose([-1, 0, 0, -r3, -2, 0, -r5, -r15, -3], 1e-15);
        b.ShouldBeClose([1, r3, r5], 1e-15);
    }

    [Fact]
    public void The_normal_part_of_Hippo_of_2_has_the_known_frequency()
    {
        Complex[] a = new Complex[1];

        StateMatrices.HippoLegSNormal(a);

        a[0].Real.Should().Be(-0.5);
        a[0].Imaginary.Should().BeApproximately(Math.Sqrt(3) / 2, 1e-15);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(32)]
    public void The_frequencies_of_Hippo_s_normal_part_are_roots_of_its_characteristic_polynomial(int pairs)
    {
        int size = 2 * pairs;
        double[] a = new double[size * size], b = new double[size];
        StateMatrices.HippoLegS(a, b);
        Complex[] frequencies = new Complex[pairs];

        StateMatrices.HippoLegSNormal(frequencies);

        // A + P·Pᵀ with P = B/√2; all eigenvalues are the frequencies and their conjugates.
        frequencies.Select(value => value.Imaginary).Should().BeInAscendingOrder();
        double scale = frequencies[^1].Imaginary;
        foreach (Complex eigenvalue in frequencies)
        {
            Complex[] shifted = new Complex[size * size];
            for (int i = 0; i < shifted.Length; i++)
            {
                shifted[i] = a[i] + (b[i / size] * b[i % size] / 2) - (i / size == i % size ? eigenvalue : 0);
            }

            SmallestPivot(shifted, size).Should().BeLessThan(1e-12 * scale);
        }
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(1e308)]
    public void A_frequency_that_is_not_finite_is_refused(double frequency)
    {
        Action lin = () => StateMatrices.S4DLin(new Complex[3], frequency);

        lin.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(nameof(frequency));
    }

    [Fact]
    public void Sizes_that_do_not_fit_and_shared_memory_are_refused()
    {
        double[] memory = new double[6], wide = new double[1 << 16];

        Action wrong = () => StateMatrices.HippoLegS(memory.AsSpan(0, 3), memory.AsSpan(4));
        Action wrapped = () => StateMatrices.HippoLegS([], wide);
        Action shared = () => StateMatrices.HippoLegS(memory.AsSpan(0, 4), memory.AsSpan(3, 2));
        Action large = () => StateMatrices.HippoLegSNormal(new Complex[23_171]);

        wrong.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("a").WithMessage("*'3'*'4'*");
        wrapped.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("a").WithMessage("*4294967296*");
        shared.Should().Throw<ArgumentException>().WithParameterName("b").WithMessage("*share memory*");
        large.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("a").WithMessage("*23171*");
    }

    [Fact]
    public void Nothing_can_be_filled()
    {
        Action fill = () =>
        {
            StateMatrices.S4DReal([]);
            StateMatrices.S4DLin([]);
            StateMatrices.S4DInv([]);
            StateMatrices.S4DQuad([]);
            StateMatrices.HippoLegS([], []);
            StateMatrices.HippoLegSNormal([]);
        };

        fill.Should().NotThrow();
    }

    /// <summary>The last pivot of an elimination with full pivoting: near 0 where the matrix is singular.</summary>
    private static double SmallestPivot(Complex[] a, int n)
    {
        double pivot = 0;
        for (int k = 0; k < n; k++)
        {
            int best = (from i in Enumerable.Range(k, n - k)
                        from j in Enumerable.Range(k, n - k)
                        select (i * n) + j).MaxBy(index => Complex.Abs(a[index]));
            (int row, int column) = Math.DivRem(best, n);
            pivot = Complex.Abs(a[best]);
            for (int j = 0; j < n; j++)
            {
                (a[(k * n) + j], a[(row * n) + j]) = (a[(row * n) + j], a[(k * n) + j]);
            }

            for (int i = 0; i < n; i++)
            {
                (a[(i * n) + k], a[(i * n) + column]) = (a[(i * n) + column], a[(i * n) + k]);
            }

            for (int i = k + 1; i < n; i++)
            {
                Complex factor = a[(i * n) + k] / a[(k * n) + k];
                for (int j = k; j < n; j++)
                {
                    a[(i * n) + j] -= factor * a[(k * n) + j];
                }
            }
        }

        return pivot;
    }
}
