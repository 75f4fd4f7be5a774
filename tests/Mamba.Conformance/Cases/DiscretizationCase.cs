using System.Numerics;
using Mamba.StateSpace;

namespace Mamba.Conformance.Cases;

/// <summary>
/// The three discretisations, in double: a grid of diagonal systems, selective shapes, or one dense system.
/// </summary>
internal static class DiscretizationCase
{
    private delegate void Dense(
        double delta, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> aBar, Span<double> bBar);

    public static void Run(Golden golden, Report report)
    {
        Nd delta = golden["in.delta"], a = golden["in.A"], b = golden["in.B"];
        bool complex = golden.Flag("complex");
        if (delta.Shape.Length == 3)
        {
            RunDiagonal(golden, report, complex, Selective(delta, a, b, complex));
        }
        else if (a.Shape.Length == (complex ? 3 : 2))
        {
            RunDense(golden, report, delta, a, b);
        }
        else
        {
            RunDiagonal(golden, report, complex, Grid(delta, a, b, complex));
        }
    }

    /// <summary>Every Δ with every A and B.</summary>
    private static List<(double Delta, Complex A, Complex B)> Grid(Nd delta, Nd a, Nd b, bool complex)
    {
        int states = a.Shape[0];
        return
        [
            .. from step in delta.Values
               from n in Enumerable.Range(0, states)
               select (step, At(a, n, complex), At(b, n, complex)),
        ];
    }

    /// <summary>Δ (b, d, L), A (d, n), B (b, n, L): one system for each of (b, d, L, n).</summary>
    private static List<(double Delta, Complex A, Complex B)> Selective(Nd delta, Nd a, Nd b, bool complex)
    {
        (int batch, int channels, int length) = (delta.Shape[0], delta.Shape[1], delta.Shape[2]);
        int states = a.Shape[1];
        return
        [
            .. from i in Enumerable.Range(0, batch)
               from d in Enumerable.Range(0, channels)
               from t in Enumerable.Range(0, length)
               from n in Enumerable.Range(0, states)
               select (
                   delta.Values[(((i * channels) + d) * length) + t],
                   At(a, (d * states) + n, complex),
                   At(b, (((i * states) + n) * length) + t, complex)),
        ];
    }

    private static void RunDiagonal(
        Golden golden, Report report, bool complex, List<(double Delta, Complex A, Complex B)> systems)
    {
        Compare("zoh", Discretization.ZeroOrderHold, Discretization.ZeroOrderHold);
        Compare("euler", Discretization.ExponentialEuler, Discretization.ExponentialEuler);
        Compare("bilinear", Discretization.Bilinear, Discretization.Bilinear);

        void Compare(
            string method,
            Func<double, double, double, Discretized<double>> real,
            Func<double, Complex, Complex, Discretized<Complex>> holomorphic)
        {
            List<Discretized<Complex>> found =
            [
                .. systems.Select(s => complex
                    ? holomorphic(s.Delta, s.A, s.B)
                    : Widen(real(s.Delta, s.A.Real, s.B.Real))),
            ];
            CompareOne($"out.{method}_Abar", item => item.ABar);
            CompareOne($"out.{method}_Bbar", item => item.BBar);
            CompareOne($"out.d_{method}_Abar_dA", item => item.ABarByA);
            CompareOne($"out.d_{method}_Abar_ddelta", item => item.ABarByDelta);
            CompareOne($"out.d_{method}_Bbar_dA", item => item.BBarByA);
            CompareOne($"out.d_{method}_Bbar_dB", item => item.BBarByB);
            CompareOne($"out.d_{method}_Bbar_ddelta", item => item.BBarByDelta);

            void CompareOne(string name, Func<Discretized<Complex>, Complex> part)
            {
                if (golden.Has(name))
                {
                    double[] values =
                    [
                        .. found.Select(part).SelectMany<Complex, double>(
                            value => complex ? [value.Real, value.Imaginary] : [value.Real]),
                    ];
                    report.Compare(name, new(golden.Shape(name), values), golden[name], Bounds.Discretization);
                }
            }
        }
    }

    private static void RunDense(Golden golden, Report report, Nd delta, Nd a, Nd b)
    {
        Compare("zoh", Discretization.ZeroOrderHold);
        Compare("euler", Discretization.ExponentialEuler);
        Compare("bilinear", Discretization.Bilinear);

        void Compare(string method, Dense discretize)
        {
            int states = b.Values.Length, steps = delta.Values.Length;
            double[] aBar = new double[steps * states * states], bBar = new double[steps * states];
            for (int i = 0; i < steps; i++)
            {
                discretize(
                    delta.Values[i],
                    a.Values,
                    b.Values,
                    aBar.AsSpan(i * states * states, states * states),
                    bBar.AsSpan(i * states, states));
            }

            CompareOne($"out.{method}_Abar", aBar);
            CompareOne($"out.{method}_Bbar", bBar);
        }

        void CompareOne(string name, double[] values)
        {
            if (golden.Has(name))
            {
                report.Compare(name, new(golden.Shape(name), values), golden[name], Bounds.Discretization);
            }
        }
    }

    private static Complex At(Nd nd, int i, bool complex) =>
        complex ? new(nd.Values[2 * i], nd.Values[(2 * i) + 1]) : new(nd.Values[i], 0);

    private static Discretized<Complex> Widen(Discretized<double> value) => new()
    {
        ABar = value.ABar,
        BBar = value.BBar,
        ABarByA = value.ABarByA,
        ABarByDelta = value.ABarByDelta,
        BBarByA = value.BBarByA,
        BBarByB = value.BBarByB,
        BBarByDelta = value.BBarByDelta,
    };
}
