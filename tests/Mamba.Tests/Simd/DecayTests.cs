using Mamba.Simd;

namespace Mamba.Tests.Simd;

/// <summary>The functions over lanes that scans are made of.</summary>
public sealed unsafe class DecayTests
{
    // The polynomial is good to 9e-8; rounding adds as much.
    private const double Tolerance = 2e-7;

    private static readonly float[] Points =
    [
        .. Samples.Uniform(1, 4096, -125, 20), .. Samples.Uniform(2, 4096, -1e-3, 0),
        0f, -0f, 0.5f, -0.5f, -140f, 3e9f, -3e9f, float.MaxValue, -float.MaxValue, float.PositiveInfinity,
        float.NegativeInfinity, float.NaN, 1f, 2f, 3f, 4f, 5f,
    ];

    private interface IFunction
    {
        static abstract TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes>;
    }

    [Fact]
    public void Decay_matches_the_definition()
    {
        foreach (float x in Points.Where(x => x is > -125 and < 120))
        {
            double exact = Math.Pow(2, x);
            double actual = Decay<Lane>.Create().Of(new Lane(x)).Value;

            actual.Should().BeApproximately(exact, Tolerance * exact, "x is {0:r}", x);
        }
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(-126f, 1.1754944e-38f)]
    [InlineData(-1e30f, 0f)]
    [InlineData(127f, 1.7014118e38f)]
    [InlineData(128f, float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.NaN, float.NaN)]
    public void Decay_keeps_to_its_limits(float x, float expected) =>
        Decay<Lane>.Create().Of(new Lane(x)).Value.Should().Be(expected);

    [Fact]
    public void Decay_is_off_by_less_than_the_least_normal_number_below_it()
    {
        foreach (float x in Samples.Uniform(4, 4096, -130, -125))
        {
            ((double)Decay<Lane>.Create().Of(new Lane(x)).Value).Should().BeApproximately(
                Math.Pow(2, x), Math.Pow(2, -126), "x is {0:r}", x);
        }
    }

    [Fact]
    public void Sine_and_cosine_match_the_definition()
    {
        float[] points = [.. Samples.Uniform(1, 4096, -10, 10), .. Samples.Uniform(2, 1024, -1000, 1000), 0f, -0f];
        foreach (float x in points)
        {
            (Lane sin, Lane cos) = LaneMath.SinCos(new Lane(x));

            ((double)sin.Value).Should().BeApproximately(Math.Sin(x), Tolerance, "x is {0:r}", x);
            ((double)cos.Value).Should().BeApproximately(Math.Cos(x), Tolerance, "x is {0:r}", x);
        }
    }

    [Fact]
    public void Every_width_gives_the_same_bits()
    {
        ShouldBeTheSameAtEveryWidth<DecayFunction>();
        ShouldBeTheSameAtEveryWidth<SineFunction>();
    }

    [Fact]
    public void Sums_of_lanes_are_added_to_their_targets_four_as_one()
    {
        ShouldAddSums<Lane>();
        if (Width.Has128) { ShouldAddSums<Lanes128>(); }
        if (Width.Has256) { ShouldAddSums<Lanes256>(); }
        if (Width.Has512) { ShouldAddSums<Lanes512>(); }
    }

    private static void ShouldAddSums<TLanes>()
        where TLanes : struct, ILanes<TLanes>
    {
        float[] values = Samples.Uniform(5, 4 * TLanes.Count, -1, 1), sums = [1, 2, 3, 4], expected = [1, 2, 3, 4];
        fixed (float* v = values, target = sums)
        {
            int n = TLanes.Count;
            TLanes.AddSums(
                TLanes.Load(v), TLanes.Load(v + n), TLanes.Load(v + (2 * n)), TLanes.Load(v + (3 * n)), target);
            for (int i = 0; i < 4; i++)
            {
                expected[i] += TLanes.Sum(TLanes.Load(v + (i * n)));
            }
        }

        sums.ShouldHaveTheBitsOf(expected);
        double[] exact = [.. values.Chunk(TLanes.Count).Select((part, i) => i + 1 + part.Sum(value => (double)value))];
        sums.ShouldBeClose(exact, 1e-6);
    }

    private static void ShouldBeTheSameAtEveryWidth<TFunction>()
        where TFunction : struct, IFunction
    {
        float[] expected = Run<TFunction, Lane>();
        if (Width.Has128) { Run<TFunction, Lanes128>().ShouldHaveTheBitsOf(expected, typeof(TFunction).Name); }
        if (Width.Has256) { Run<TFunction, Lanes256>().ShouldHaveTheBitsOf(expected, typeof(TFunction).Name); }
        if (Width.Has512) { Run<TFunction, Lanes512>().ShouldHaveTheBitsOf(expected, typeof(TFunction).Name); }
    }

    private static float[] Run<TFunction, TLanes>()
        where TFunction : struct, IFunction
        where TLanes : struct, ILanes<TLanes>
    {
        int whole = (Points.Length + TLanes.Count - 1) / TLanes.Count * TLanes.Count;
        float[] x = [.. Points, .. new float[whole - Points.Length]];
        fixed (float* p = x)
        {
            for (int i = 0; i < whole; i += TLanes.Count)
            {
                TLanes.Store(TFunction.Apply(TLanes.Load(p + i)), p + i);
            }
        }

        // All NaN are one value here: the machine may choose their sign.
        return [.. x[..Points.Length].Select(value => float.IsNaN(value) ? float.NaN : value)];
    }

    private readonly struct DecayFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => Decay<TLanes>.Create().Of(x);
    }

    private readonly struct SineFunction : IFunction
    {
        public static TLanes Apply<TLanes>(TLanes x)
            where TLanes : struct, ILanes<TLanes> => LaneMath.SinCos(x).Sin;
    }
}
