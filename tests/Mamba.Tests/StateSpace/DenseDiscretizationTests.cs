using Mamba.StateSpace;

namespace Mamba.Tests.StateSpace;

public sealed class DenseDiscretizationTests
{
    // Products and squarings of small matrices in double.
    private const double Tolerance = 1e-13;

    [Theory]
    [InlineData(1e-4)]
    [InlineData(0.1)]
    [InlineData(3.0)]
    public void A_diagonal_matrix_gives_what_its_states_give(double delta)
    {
        ShouldGiveWhatStatesGive(delta, Discretization.ZeroOrderHold, Discretization.ZeroOrderHold);
        ShouldGiveWhatStatesGive(delta, Discretization.ExponentialEuler, Discretization.ExponentialEuler);
        ShouldGiveWhatStatesGive(delta, Discretization.Bilinear, Discretization.Bilinear);
    }

    [Fact]
    public void An_integrator_chain_which_has_no_inverse_is_held_exactly()
    {
        const double delta = 0.7;
        double[] a = [0, 1, 0, 0, 0, 1, 0, 0, 0], b = [0, 0, 1];

        (double[] aBar, double[] bBar) = Apply(Discretization.ZeroOrderHold, delta, a, b);

        const double square = delta * delta / 2, cube = delta * delta * delta / 6;
        aBar.ShouldBeClose([1, delta, square, 0, 1, delta, 0, 0, 1], Tolerance);
        bBar.ShouldBeClose([cube, square, delta], Tolerance);
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(1.0)]
    [InlineData(40.0)]
    public void A_rotation_stays_a_rotation(double angle)
    {
        (double[] aBar, double[] bBar) = Apply(Discretization.ZeroOrderHold, angle, [0, -1, 1, 0], [1, 0]);

        aBar.ShouldBeClose([Math.Cos(angle), -Math.Sin(angle), Math.Sin(angle), Math.Cos(angle)], Tolerance * 10);
        bBar.ShouldBeClose([Math.Sin(angle), 1 - Math.Cos(angle)], Tolerance * 10);
    }

    [Fact]
    public void Two_half_steps_of_HiPPO_make_one()
    {
        const int size = 8;
        double[] a = new double[size * size], b = new double[size];
        StateMatrices.HippoLegS(a, b);

        (double[] wholeA, double[] wholeB) = Apply(Discretization.ZeroOrderHold, 0.4, a, b);
        (double[] halfA, double[] halfB) = Apply(Discretization.ZeroOrderHold, 0.2, a, b);

        Multiply(halfA, halfA, size, size).ShouldBeClose(wholeA, Tolerance * 10);
        double[] carried = Multiply(halfA, halfB, size, 1); // h after two steps under a constant input of 1
        carried.Zip(halfB, (x, y) => x + y).ToArray().ShouldBeClose(wholeB, Tolerance * 10);
    }

    [Fact]
    public void Bilinear_factors_solve_their_equation()
    {
        const int size = 6;
        const double delta = 0.9;
        double[] a = Array.ConvertAll(Samples.Normal(1, size * size), value => (double)value);
        double[] b = Array.ConvertAll(Samples.Normal(2, size), value => (double)value);

        (double[] aBar, double[] bBar) = Apply(Discretization.Bilinear, delta, a, b);

        double[] left = new double[size * size], right = new double[size * size];
        for (int i = 0; i < a.Length; i++)
        {
            double identity = i % (size + 1) == 0 ? 1 : 0;
            left[i] = identity - (delta * a[i] / 2);
            right[i] = identity + (delta * a[i] / 2);
        }

        Multiply(left, aBar, size, size).ShouldBeClose(right, Tolerance * 10);
        Multiply(left, bBar, size, 1).ShouldBeClose([.. b.Select(value => delta * value)], Tolerance * 10);
    }

    [Fact]
    public void A_bilinear_step_onto_the_pole_is_refused()
    {
        Action step = () => Apply(Discretization.Bilinear, 1, [2], [1]);

        step.Should().Throw<ArithmeticException>().WithMessage("*singular*");
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        double[] two = new double[2], three = new double[3], four = new double[4];

        Action matrix = () => Discretization.ZeroOrderHold(1, three, two, four, two);
        Action output = () => Discretization.Bilinear(1, four, two, four, three);

        matrix.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*'3'*'4'*");
        output.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*'3'*'2'*");
    }

    private delegate void System(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar);

    private static void ShouldGiveWhatStatesGive(
        double delta, System system, Func<double, double, double, Discretized<double>> state)
    {
        double[] states = [-1, 0, 0.3, -16, -0.01], b = [1, 2, -0.5, 3, 0.1];
        double[] a = new double[25], expectedA = new double[25], expectedB = new double[5];
        for (int i = 0; i < 5; i++)
        {
            Discretized<double> expected = state(delta, states[i], b[i]);
            (a[i * 6], expectedA[i * 6], expectedB[i]) = (states[i], expected.ABar, expected.BBar);
        }

        (double[] aBar, double[] bBar) = Apply(system, delta, a, b);

        aBar.ShouldBeClose(expectedA, Tolerance);
        bBar.ShouldBeClose(expectedB, Tolerance);
    }

    private static (double[] ABar, double[] BBar) Apply(System system, double delta, double[] a, double[] b)
    {
        double[] aBar = new double[a.Length], bBar = new double[b.Length];
        system(delta, a, b, aBar, bBar);
        return (aBar, bBar);
    }

    private static double[] Multiply(double[] left, double[] right, int size, int columns)
    {
        double[] product = new double[size * columns];
        for (int i = 0; i < product.Length; i++)
        {
            for (int k = 0; k < size; k++)
            {
                product[i] += left[(i / columns * size) + k] * right[(k * columns) + (i % columns)];
            }
        }

        return product;
    }
}
