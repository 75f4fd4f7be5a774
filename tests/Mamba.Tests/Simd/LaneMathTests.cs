using System.Runtime.Intrinsics;
using Mamba.Simd;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Simd;

public sealed unsafe class LaneMathTests
{
    // Half a unit in the last place of float32 is 6e-8; the polynomials and their rounding stay within five (softplus
    // has the longest chain).
    private const double Tolerance = 3e-7;

    private static readonly float[] Points =
    [
        .. Samples.Uniform(1, 4096, -88, 88), .. Samples.Uniform(2, 4096, -2, 2), 0f, -0f, 1e-30f, 87.5f, -103f, -110f,
    ];

    private interface IFunction
    {
        static abstract TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>;

        static abstract double Exact(double x);
    }

    [Fact]
    public void Exp_matches_the_definition() => ShouldMatch<ExpFunction>(Points);

    [Fact]
    public void Exp2_matches_the_definition() => ShouldMatch<Exp2Function>(Points);

    [Fact]
    public void Log1p_matches_the_definition() =>
        ShouldMatch<Log1pFunction>([.. Samples.Uniform(3, 4096, 0, 1), 0f, 1f, 1e-10f, 1e-30f]);

    [Fact]
    public void Softplus_matches_the_definition() => ShouldMatch<SoftplusFunction>(Points);

    [Fact]
    public void The_slope_of_softplus_is_the_sigmoid() => ShouldMatch<SlopeFunction>(Points);

    [Fact]
    public void Log_matches_the_definition() => ShouldMatch<LogFunction>(
    [
        .. Samples.Uniform(4, 4096, 0, 3),
        .. Samples.Uniform(5, 4096, -87, 88).Select(MathF.Exp),
        .. Enumerable.Range(-60, 121).Select(i => 1f + (i * 5.9604645e-8f)),
        1e-40f, 1.4e-45f, 1.17549435e-38f, float.MaxValue, 0.70710677f, 0.7071068f, 1.4142135f, 1.4142137f,
    ]);

    [Fact]
    public void Tanh_matches_the_definition() => ShouldMatch<TanhFunction>(
        [.. Points, .. Samples.Uniform(6, 4096, -0.31f, 0.31f), 0.3f, -0.3f, 0.29999998f, 1e-10f]);

    [Theory]
    [InlineData(0f, float.NegativeInfinity, 0f)]
    [InlineData(-100f, float.NaN, -1f)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity, 1f)]
    [InlineData(float.NegativeInfinity, float.NaN, -1f)]
    [InlineData(float.NaN, float.NaN, float.NaN)]
    public void Log_and_tanh_keep_to_their_limits(float x, float log, float tanh)
    {
        LaneMath.Log(new Lane(x)).Value.Should().Be(log);
        LaneMath.Tanh(new Lane(x)).Value.Should().Be(tanh);
    }

    [Theory]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity, 1f)]
    [InlineData(float.NegativeInfinity, 0f, 0f)]
    [InlineData(1000f, 1000f, 1f)]
    [InlineData(-1000f, 0f, 0f)]
    [InlineData(float.NaN, float.NaN, float.NaN)]
    public void Softplus_and_its_slope_keep_to_their_limits(float x, float value, float slope)
    {
        (Lane actual, Lane actualSlope) = LaneMath.SoftplusAndSlope(new Lane(x));

        actual.Value.Should().Be(value);
        actualSlope.Value.Should().Be(slope);
        LaneMath.Softplus(new Lane(x)).Value.Should().Be(value);
    }

    [Theory]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(1000f, float.PositiveInfinity)]
    [InlineData(-1000f, 0f)]
    [InlineData(float.NaN, float.NaN)]
    public void Exp_keeps_to_its_limits(float x, float expected)
    {
        LaneMath.Exp(new Lane(x)).Value.Should().Be(expected);
        LaneMath.Exp2(new Lane(x)).Value.Should().Be(expected);
    }

    [Fact]
    public void Every_width_gives_the_same_bits()
    {
        ShouldHaveTheSameBitsAtEveryWidth<ExpFunction>();
        ShouldHaveTheSameBitsAtEveryWidth<LogFunction>();
        ShouldHaveTheSameBitsAtEveryWidth<TanhFunction>();
    }

    private static void ShouldHaveTheSameBitsAtEveryWidth<TFunction>()
        where TFunction : struct, IFunction
    {
        float[] expected = Run<TFunction, Lane>(Points);

        if (Vector128.IsHardwareAccelerated)
        {
            Run<TFunction, Lanes128>(Points).ShouldHaveTheBitsOf(expected);
        }

        if (Vector256.IsHardwareAccelerated)
        {
            Run<TFunction, Lanes256>(Points).ShouldHaveTheBitsOf(expected);
        }

        if (Vector512.IsHardwareAccelerated)
        {
            Run<TFunction, Lanes512>(Points).ShouldHaveTheBitsOf(expected);
        }
    }

    private static void ShouldMatch<TFunction>(float[] points)
        where TFunction : struct, IFunction
    {
        float[] actual = Run<TFunction, Lane>(points);

        for (int i = 0; i < points.Length; i++)
        {
            double exact = TFunction.Exact(points[i]);
            double allowed = (Tolerance * Math.Abs(exact)) + (4 * (double)float.Epsilon); // below 1e-38 digits run out
            Math.Abs(actual[i] - exact).Should().BeLessThanOrEqualTo(allowed, "x is {0:r}", points[i]);
        }
    }

    /// <summary>Computes in lanes; what is left over after whole registers is filled up with zeros.</summary>
    private static float[] Run<TFunction, TLanes>(float[] points)
        where TFunction : struct, IFunction
        where TLanes : struct, ILanes<TLanes>
    {
        int whole = (points.Length + TLanes.Count - 1) / TLanes.Count * TLanes.Count;
        float[] x = [.. points, .. new float[whole - points.Length]];
        fixed (float* p = x)
        {
            for (int i = 0; i < whole; i += TLanes.Count)
            {
                TLanes.Store(TFunction.Apply(TLanes.Load(p + i)), p + i);
            }
        }

        return x[..points.Length];
    }

    private readonly struct ExpFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp(x);

        public static double Exact(double x) => Math.Exp(x);
    }

    private readonly struct Exp2Function : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Exp2(x);

        public static double Exact(double x) => Math.Pow(2, x);
    }

    private readonly struct Log1pFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Log1p(x);

        public static double Exact(double x) => DoubleMath.Log1p(x);
    }

    private readonly struct SoftplusFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Softplus(x);

        public static double Exact(double x) => DoubleMath.Softplus(x);
    }

    private readonly struct LogFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Log(x);

        public static double Exact(double x) => Math.Log(x);
    }

    private readonly struct TanhFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.Tanh(x);

        public static double Exact(double x) => Math.Tanh(x);
    }

    private readonly struct SlopeFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.SoftplusAndSlope(x).Slope;

        public static double Exact(double x) => DoubleMath.Sigmoid(x);
    }
}
