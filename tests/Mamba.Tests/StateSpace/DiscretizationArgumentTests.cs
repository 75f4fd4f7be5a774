using System.Numerics;
using Mamba.StateSpace;

namespace Mamba.Tests.StateSpace;

/// <summary>Arguments that are not finite, results beyond a double: refused at once, with nothing written.</summary>
public sealed class DiscretizationArgumentTests
{
    private const double NaN = double.NaN, Infinity = double.PositiveInfinity;

    private delegate void Dense(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar);

    private static readonly Dictionary<string, Func<double, double, double, object>> Real = new()
    {
        ["zero-order hold"] = (delta, a, b) => Discretization.ZeroOrderHold(delta, a, b),
        ["exponential-Euler"] = (delta, a, b) => Discretization.ExponentialEuler(delta, a, b),
        ["bilinear"] = (delta, a, b) => Discretization.Bilinear(delta, a, b),
    };

    private static readonly Dictionary<string, Func<double, Complex, Complex, object>> OfComplex = new()
    {
        ["zero-order hold"] = (delta, a, b) => Discretization.ZeroOrderHold(delta, a, b),
        ["exponential-Euler"] = (delta, a, b) => Discretization.ExponentialEuler(delta, a, b),
        ["bilinear"] = (delta, a, b) => Discretization.Bilinear(delta, a, b),
    };

    private static readonly Dictionary<string, Dense> OfMatrix = new()
    {
        ["zero-order hold"] = Discretization.ZeroOrderHold,
        ["exponential-Euler"] = Discretization.ExponentialEuler,
        ["bilinear"] = Discretization.Bilinear,
    };

    public static TheoryData<string> Methods => [.. Real.Keys];

    [Theory]
    [MemberData(nameof(Methods))]
    public void An_argument_that_is_not_finite_is_refused_by_name(string method)
    {
        foreach (double bad in new[] { NaN, Infinity, -Infinity })
        {
            foreach ((double delta, double a, double b, string name) in new[]
            {
                (bad, -1.0, 1.0, "delta"), (1, bad, 1, "a"), (1, -1, bad, "b"),
            })
            {
                Action real = () => Real[method](delta, a, b);
                Action complex = () => OfComplex[method](delta, new(-1, a), new(1, b));
                Action dense = () => Apply(method, delta, [-1, a, 0, -2], [1, b]);

                foreach (Action refused in new[] { real, complex, dense })
                {
                    refused.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name)
                        .WithMessage("*must be finite*");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_product_beyond_a_double_is_refused(string method)
    {
        Action real = () => Real[method](1e200, -1e200, 1);
        Action complex = () => OfComplex[method](1e200, new(0, 1e200), 1);
        Action dense = () => Apply(method, 1e200, [-1e200, 0, 0, -1], [1, 1]);

        real.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("delta").WithMessage("*ΔA*");
        complex.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("delta");
        dense.Should().Throw<OverflowException>();
    }

    [Fact]
    public void A_sum_beyond_a_double_is_refused_and_not_squared_without_end()
    {
        Action sum = () => Apply("exponential-Euler", 1, [1e308, 0, 1e308, 0], [1, 1]);
        Action input = () => Apply("zero-order hold", 1e10, [-1], [1e300]);

        sum.Should().Throw<OverflowException>();
        input.Should().Throw<OverflowException>();
    }

    [Theory]
    [InlineData("zero-order hold")]
    [InlineData("exponential-Euler")]
    public void A_result_beyond_a_double_is_refused(string method)
    {
        Action real = () => Real[method](1000, 1, 0);
        Action complex = () => OfComplex[method](1000, 1, 0);
        Action dense = () => Apply(method, 1000, [1], [0]);

        real.Should().Throw<OverflowException>();
        complex.Should().Throw<OverflowException>();
        dense.Should().Throw<OverflowException>();
    }

    [Fact]
    public void The_pole_of_the_bilinear_step_is_refused()
    {
        Action real = () => Discretization.Bilinear(0.5, 4, 1);
        Action complex = () => Discretization.Bilinear(0.5, new Complex(4, 0), 1);

        real.Should().Throw<ArithmeticException>().WithMessage("*singular*");
        complex.Should().Throw<ArithmeticException>().WithMessage("*singular*");
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Sizes_whose_square_wraps_are_refused(string method)
    {
        double[] b = new double[1 << 16], bBar = new double[1 << 16];

        Action dense = () => OfMatrix[method](1, [], b, [], bBar);

        dense.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("a").WithMessage("*4294967296*");
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Outputs_may_share_memory_with_inputs_but_not_with_each_other(string method)
    {
        double[] a = [-1, 0.5, 0.2, -2], b = [1, 3], memory = [.. a, .. b];
        (double[] aBar, double[] bBar) = Apply(method, 0.3, a, b);

        double[] inPlace = [.. memory], crossed = [.. memory];
        OfMatrix[method](0.3, inPlace.AsSpan(0, 4), inPlace.AsSpan(4), inPlace.AsSpan(0, 4), inPlace.AsSpan(4));
        OfMatrix[method](0.3, crossed.AsSpan(0, 4), crossed.AsSpan(4), crossed.AsSpan(2), crossed.AsSpan(0, 2));
        Action shared = () => OfMatrix[method](0.3, a, b, memory.AsSpan(0, 4), memory.AsSpan(3, 2));

        inPlace.Should().Equal([.. aBar, .. bBar]);
        crossed.Should().Equal([.. bBar, .. aBar]);
        shared.Should().Throw<ArgumentException>().WithParameterName("bBar").WithMessage("*share memory*");
        memory.Should().Equal([.. a, .. b]);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_refusal_writes_nothing(string method)
    {
        double[] aBar = [7, 7, 7, 7], bBar = [7, 7];

        Action step = () => OfMatrix[method](1e300, [1e300, 0, 0, 1], [1, 1], aBar, bBar);

        step.Should().Throw<OverflowException>();
        aBar.Concat(bBar).Should().OnlyContain(value => value == 7);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Nothing_can_be_discretised(string method) =>
        FluentActions.Invoking(() => OfMatrix[method](1, [], [], [], [])).Should().NotThrow();

    private static (double[] ABar, double[] BBar) Apply(string method, double delta, double[] a, double[] b)
    {
        double[] aBar = new double[a.Length], bBar = new double[b.Length];
        OfMatrix[method](delta, a, b, aBar, bBar);
        return (aBar, bBar);
    }
}
