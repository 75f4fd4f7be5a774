using System.Numerics;
using Mamba.StateSpace;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.StateSpace;

public sealed class DiscretizationTests
{
    // Some units in the last place of double, 2e-16 each.
    private const double Tolerance = 2e-15;

    // Fourth-order differences whose step moves ΔA by 2e-3: the method's error is 1e-12, that of rounding 1e-13.
    private const double Step = 2e-3;
    private const double DifferenceTolerance = 1e-10;

    private static readonly double[] Steps = [1e-9, 1e-4, 0.03, 1, 2.5];

    private static readonly Complex[] States =
        [0, 1e-9, -1e-9, -0.3, -1, -16, 0.4, new(-0.5, Math.PI), new(-0.5, -200), new(0, 1e-6), new(0, 1.3)];

    public static TheoryData<string> Methods => ["zero-order hold", "exponential-Euler", "bilinear"];

    /// <summary>Theorem 1 of the Mamba paper: with N = 1, A = -1 and B = 1 the recurrence is a gated one.</summary>
    [Theory]
    [InlineData(-8.0)]
    [InlineData(-0.3)]
    [InlineData(0.0)]
    [InlineData(2.5)]
    [InlineData(18.0)]
    public void Zero_order_hold_of_one_state_is_the_gated_recurrence(double x)
    {
        double gate = Sigmoid(x);

        Discretized<double> system = Discretization.ZeroOrderHold(Softplus(x), -1, 1);

        system.ABar.Should().BeApproximately(1 - gate, Tolerance);
        system.BBar.Should().BeApproximately(gate, Tolerance * gate * 10);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_real_state_gives_what_a_complex_one_without_imaginary_part_gives(string method)
    {
        foreach (double delta in Steps)
        {
            foreach (Complex a in States.Where(a => a.Imaginary == 0))
            {
                Discretized<double> real = method switch
                {
                    "zero-order hold" => Discretization.ZeroOrderHold(delta, a.Real, 0.7),
                    "exponential-Euler" => Discretization.ExponentialEuler(delta, a.Real, 0.7),
                    _ => Discretization.Bilinear(delta, a.Real, 0.7),
                };
                Complex[] expected = Factors(Apply(method, delta, a, 0.7));

                double[] actual =
                [
                    real.ABar, real.BBar, real.ABarByA, real.ABarByDelta, real.BBarByA, real.BBarByB, real.BBarByDelta,
                ];
                for (int i = 0; i < actual.Length; i++)
                {
                    ShouldBeClose(actual[i], expected[i], Tolerance, $"factor {i} at Δ = {delta}, A = {a}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Derivatives_are_differences(string method)
    {
        Complex b = new(0.7, -0.2);
        foreach (double delta in new[] { 0.03, 1, 2.5 })
        {
            foreach (Complex a in States)
            {
                Discretized<Complex> exact = Apply(method, delta, a, b);
                double stepA = Step / delta, stepDelta = Step / Math.Max(1, Complex.Abs(a));

                (Complex Exact, Complex Difference)[] derivatives =
                [
                    (exact.ABarByA, Difference(h => Apply(method, delta, a + h, b).ABar, stepA)),
                    (exact.BBarByA, Difference(h => Apply(method, delta, a + h, b).BBar, stepA)),
                    (exact.BBarByB, Difference(h => Apply(method, delta, a, b + h).BBar, Step)),
                    (exact.ABarByDelta, Difference(h => Apply(method, delta + h, a, b).ABar, stepDelta)),
                    (exact.BBarByDelta, Difference(h => Apply(method, delta + h, a, b).BBar, stepDelta)),
                ];

                for (int i = 0; i < derivatives.Length; i++)
                {
                    double error = Complex.Abs(derivatives[i].Exact - derivatives[i].Difference);
                    error.Should().BeLessThanOrEqualTo(
                        DifferenceTolerance * Math.Max(1, Complex.Abs(derivatives[i].Exact)),
                        "derivative {0} of {1} at Δ = {2}, A = {3}", i, method, delta, a);
                }
            }
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1e-12)]
    [InlineData(-1e-9)]
    [InlineData(1e-6)]
    [InlineData(-1e-4)]
    public void Zero_order_hold_keeps_its_digits_near_A_of_0(double a)
    {
        const double delta = 0.5;
        double z = delta * a;

        Discretized<double> real = Discretization.ZeroOrderHold(delta, a, 3);
        Discretized<Complex> imaginary = Discretization.ZeroOrderHold(delta, new Complex(0, a), 3);

        // (e^z - 1)/z = 1 + z/2 + z²/6 + z³/24 and its derivative 1/2 + z/3 + z²/8, to beyond double here.
        Complex w = new(0, z);
        ShouldBeClose(real.BBar, 3 * delta * (1 + (z / 2) + (z * z / 6) + (z * z * z / 24)), Tolerance, "B̄");
        ShouldBeClose(imaginary.BBar, 3 * delta * (1 + (w / 2) + (w * w / 6) + (w * w * w / 24)), Tolerance, "B̄");
        ShouldBeClose(real.BBarByA, 3 * delta * delta * (0.5 + (z / 3) + (z * z / 8)), 1e-13, "∂B̄/∂A");
        ShouldBeClose(imaginary.BBarByA, 3 * delta * delta * (0.5 + (w / 3) + (w * w / 8)), 1e-13, "∂B̄/∂A");
    }

    [Fact]
    public void Released_models_take_the_hold_s_state_factor_and_Euler_s_input_factor()
    {
        Discretized<double> euler = Discretization.ExponentialEuler(0.1, -4, 3);

        euler.ABar.Should().Be(Discretization.ZeroOrderHold(0.1, -4, 3).ABar);
        euler.BBar.Should().Be(0.1 * 3);
    }

    [Fact]
    public void A_strong_decay_ends_at_the_steady_state()
    {
        Discretized<double> hold = Discretization.ZeroOrderHold(1000, -50, 3);

        hold.ABar.Should().Be(0);
        hold.BBar.Should().BeApproximately(3 / 50.0, Tolerance);
        hold.BBarByA.Should().BeApproximately(3 / 2500.0, Tolerance);
    }

    private static Discretized<Complex> Apply(string method, double delta, Complex a, Complex b) => method switch
    {
        "zero-order hold" => Discretization.ZeroOrderHold(delta, a, b),
        "exponential-Euler" => Discretization.ExponentialEuler(delta, a, b),
        "bilinear" => Discretization.Bilinear(delta, a, b),
        _ => throw new ArgumentException($"No method is called {method}."),
    };

    private static Complex[] Factors(Discretized<Complex> system) =>
    [
        system.ABar, system.BBar, system.ABarByA, system.ABarByDelta,
        system.BBarByA, system.BBarByB, system.BBarByDelta,
    ];

    private static Complex Difference(Func<double, Complex> f, double h) =>
        ((8 * (f(h) - f(-h))) - (f(2 * h) - f(-2 * h))) / (12 * h);

    private static void ShouldBeClose(Complex actual, Complex expected, double tolerance, string what) =>
        Complex.Abs(actual - expected).Should().BeLessThanOrEqualTo(tolerance * Complex.Abs(expected), what);
}
