using CsCheck;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class SamplerTests
{
    private const float None = float.NegativeInfinity;

    // The standard deviation of a frequency in n draws is 1/(2√n) at most, 2e-3 here; four of that.
    private const int Draws = 60_000;
    private const double Tolerance = 8.2e-3;

    private static readonly float[] Logits = [1.2f, -0.7f, 2.5f, 0.3f, 2.5f, -3f, None, 1.9f];

    private static readonly SamplingOptions[] AllFilters =
    [
        new(),
        new() { Temperature = 0.5 },
        new() { Temperature = 3 },
        new() { TopK = 3 },
        new() { TopK = 1 },
        new() { TopK = 5, Temperature = 2 },
        new() { TopP = 0.5 },
        new() { TopP = 0.9 },
        new() { TopP = 0.9, Temperature = 1.7 },
        new() { MinP = 0.1 },
        new() { MinP = 0.5, Temperature = 2 },
        new() { TopK = 4, TopP = 0.8 },
        new() { TopK = 5, TopP = 0.95, MinP = 0.2, Temperature = 1.3 },
        new() { RepetitionPenalty = 1.5 },
        new() { RepetitionPenalty = 2, TopK = 5, TopP = 0.95, MinP = 0.05, Temperature = 0.8 },
    ];

    public static TheoryData<SamplingOptions> Filters => new(AllFilters);

    [Theory]
    [MemberData(nameof(Filters))]
    public void Tokens_come_as_often_as_the_exact_probabilities_say(SamplingOptions options)
    {
        int[] previous = [2, 5, 2, 2];
        double[] expected = Exact(Logits, previous, options);
        Sampler sampler = new(Logits.Length, options with { Seed = 7 });
        int[] counts = new int[Logits.Length];

        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Next(Logits, previous)]++;
        }

        for (int id = 0; id < counts.Length; id++)
        {
            ((double)counts[id] / Draws).Should().BeApproximately(expected[id], Tolerance, "token {0} under {1}", id, options);
            (counts[id] == 0 || expected[id] > 0).Should().BeTrue("token {0} is cut off by {1}", id, options);
        }
    }

    [Fact]
    public void Every_filter_keeps_what_the_definition_keeps() =>
        Gen.Select(
            Gen.Int[-8, 8].Select(i => i / 2f).Array[1, 40], Gen.Int[0, 45], Gen.Double[0.01, 1], Gen.Double[0, 1],
            Gen.Double[0.2, 3], Gen.ULong)
        .Sample(
            (logits, topK, topP, minP, temperature, seed) =>
            {
                // Sums that meet the limit of top-p exactly are decided by rounding; no case does at this grid of logits.
                SamplingOptions options = new()
                {
                    TopK = topK,
                    TopP = topP,
                    MinP = minP,
                    Temperature = temperature,
                    Seed = seed,
                };
                double[] exact = Exact(logits, [], options);
                Sampler sampler = new(logits.Length, options);

                for (int i = 0; i < 20; i++)
                {
                    exact[sampler.Next(logits)].Should().BePositive();
                }
            },
            iter: 2000,
            seed: "0000000000001");

    [Fact]
    public void Greedy_takes_the_largest_and_the_lowest_id_of_equals()
    {
        for (int length = 1; length < 70; length++)
        {
            float[] logits = new float[length];
            for (int first = 0; first < length; first++)
            {
                Array.Fill(logits, -1f);
                logits[first] = 2;
                logits[^1] = 2;

                new Sampler(length, SamplingOptions.Greedy).Next(logits).Should().Be(first, "of {0} logits", length);
            }
        }
    }

    [Fact]
    public void Zeros_of_either_sign_are_equal()
    {
        float[] logits = [-1f, -0f, 0f];

        new Sampler(3, SamplingOptions.Greedy).Next(logits).Should().Be(1);
        new Sampler(3, new() { TopK = 1 }).Next(logits).Should().Be(1);
    }

    [Fact]
    public void Top_k_keeps_the_lowest_ids_of_equals()
    {
        float[] logits = [1, 3, 3, 3, 3];
        Sampler sampler = new(5, new() { TopK = 2 });

        int[] drawn = [.. Enumerable.Range(0, 200).Select(_ => sampler.Next(logits)).Distinct().Order()];

        drawn.Should().Equal(1, 2);
    }

    [Fact]
    public void Min_p_of_1_keeps_all_that_equal_the_largest()
    {
        float[] logits = [1, 3, 2, 3, 3];
        Sampler sampler = new(5, new() { MinP = 1 });

        int[] drawn = [.. Enumerable.Range(0, 200).Select(_ => sampler.Next(logits)).Distinct().Order()];

        drawn.Should().Equal(1, 3, 4);
    }

    [Fact]
    public void Filters_that_keep_all_change_no_token()
    {
        float[] logits = Samples.Normal(1, 500, 3);
        Sampler plain = new(500, new() { Seed = 3 });
        Sampler all = new(500, new() { Seed = 3, TopK = 500, TopP = 1, MinP = 0 });
        Sampler more = new(500, new() { Seed = 3, TopK = int.MaxValue });

        int[] expected = Draw(plain, logits, 100);

        Draw(all, logits, 100).Should().Equal(expected);
        Draw(more, logits, 100).Should().Equal(expected);
    }

    [Fact]
    public void A_tiny_top_p_keeps_the_likeliest() =>
        Draw(new(Logits.Length, new() { TopP = double.Epsilon }), Logits, 50).Should().OnlyContain(id => id == 2);

    [Theory]
    [InlineData(1e-300)]
    [InlineData(1e-30)]
    [InlineData(1e-3)]
    public void Very_low_temperatures_approach_greedy_and_never_overflow(double temperature)
    {
        float[] logits = [-3e38f, 5, 3e38f, 4];

        Draw(new(4, new() { Temperature = temperature }), logits, 20).Should().OnlyContain(id => id == 2);
    }

    [Fact]
    public void Only_one_token_that_is_allowed_is_always_drawn()
    {
        float[] logits = [None, None, -80f, None];

        Draw(new(4, new()), logits, 20).Should().OnlyContain(id => id == 2);
        Draw(new(4, new() { TopK = 3, TopP = 0.99 }), logits, 20).Should().OnlyContain(id => id == 2);
        Draw(new(4, SamplingOptions.Greedy), logits, 1).Should().Equal(2);
    }

    [Fact]
    public void The_repetition_penalty_counts_once_and_moves_either_sign_down()
    {
        float[] logits = [4, 3.9f, -1, -1.1f];
        Sampler sampler = new(4, SamplingOptions.Greedy with { RepetitionPenalty = 1.05 });

        sampler.Next(logits, [0]).Should().Be(1, "4/1.05 is below 3.9");
        sampler.Next(logits, [0, 1, 1, 1]).Should().Be(0, "both are divided, each once");
        sampler.Next([None, None, -1, -1.03f], [2]).Should().Be(3, "-1·1.05 is below -1.03");
        sampler.Next(logits).Should().Be(0, "nothing came before");
    }

    [Fact]
    public void The_same_seed_draws_the_same_tokens_and_another_seed_others()
    {
        float[] logits = Samples.Normal(1, 1000);

        int[] first = Draw(new(1000, new() { Seed = 1 }), logits, 100);

        Draw(new(1000, new() { Seed = 1 }), logits, 100).Should().Equal(first);
        Draw(new(1000, new() { Seed = 2 }), logits, 100).Should().NotEqual(first);
    }

    [Fact]
    public void A_saved_state_continues_the_draws()
    {
        float[] logits = Samples.Normal(1, 1000);
        Sampler sampler = new(1000, new() { TopK = 100 });
        Draw(sampler, logits, 10);
        ulong state = sampler.RandomState;
        int[] expected = Draw(sampler, logits, 50);

        Sampler other = new(1000, new() { TopK = 100, Seed = 99 }) { RandomState = state };

        Draw(other, logits, 50).Should().Equal(expected);
    }

    [Fact]
    public void Greedy_uses_no_random_number()
    {
        Sampler sampler = new(Logits.Length, SamplingOptions.Greedy);
        ulong state = sampler.RandomState;

        sampler.Next(Logits);

        sampler.RandomState.Should().Be(state);
    }

    [Fact]
    public void The_logits_stay_as_they_are()
    {
        float[] logits = [.. Logits];

        new Sampler(8, new() { Temperature = 2, TopK = 3, RepetitionPenalty = 2 }).Next(logits, [1]);

        logits.ShouldHaveTheBitsOf(Logits);
    }

    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(1, 1, 0)]
    [InlineData(1, 0.9, 40)]
    public void Nothing_is_allocated_after_construction(double temperature, double topP, int topK)
    {
        float[] logits = Samples.Normal(1, 1000);
        int[] previous = [1, 2, 3];
        Sampler sampler = new(1000, new() { Temperature = temperature, TopP = topP, TopK = topK, RepetitionPenalty = 1.1 });
        sampler.Next(logits, previous);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            sampler.Next(logits, previous);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Logits_that_are_no_numbers_are_refused(double temperature)
    {
        Sampler sampler = new(3, new() { Temperature = temperature });

        Action notANumber = () => sampler.Next([1, float.NaN, 2]);
        Action infinite = () => sampler.Next([1, 2, float.PositiveInfinity]);
        Action nothing = () => sampler.Next([None, None, None]);
        Action length = () => sampler.Next([1, 2]);

        notANumber.Should().Throw<ArgumentException>().WithMessage("Logit 1 is NaN*");
        infinite.Should().Throw<ArgumentException>().WithMessage("Logit 2 is *");
        nothing.Should().Throw<ArgumentException>().WithMessage("*-∞*no token*");
        length.Should().Throw<ArgumentException>().WithMessage("Expected 3 logits; found 2*");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void Previous_ids_outside_the_vocabulary_are_refused(int id)
    {
        Sampler sampler = new(3, new() { RepetitionPenalty = 1.1 });

        Action next = () => sampler.Next([1, 2, 3], [0, id]);

        next.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*below 3*{id}*");
    }

    [Fact]
    public void An_empty_vocabulary_is_refused()
    {
        Action construct = () => _ = new Sampler(0, new());

        construct.Should().Throw<ArgumentOutOfRangeException>();
    }

    private static int[] Draw(Sampler sampler, float[] logits, int count)
    {
        int[] drawn = new int[count];
        for (int i = 0; i < count; i++)
        {
            drawn[i] = sampler.Next(logits);
        }

        return drawn;
    }

    /// <summary>The probabilities by the definition, filter after filter, each on what the last one left.</summary>
    private static double[] Exact(float[] logits, int[] previous, SamplingOptions options)
    {
        double[] scores = Array.ConvertAll(logits, logit => (double)logit);
        foreach (int id in previous.Distinct())
        {
            scores[id] = scores[id] < 0 ? scores[id] * options.RepetitionPenalty : scores[id] / options.RepetitionPenalty;
        }

        scores = Array.ConvertAll(scores, score => score / options.Temperature);
        int[] ranked = [.. Enumerable.Range(0, scores.Length).OrderByDescending(id => scores[id]).ThenBy(id => id)];
        if (options.TopK > 0)
        {
            ranked = [.. ranked.Take(options.TopK)];
        }

        double[] p = Softmax(scores, ranked);
        if (options.TopP < 1)
        {
            double before = 0;
            ranked = [.. ranked.TakeWhile(id =>
            {
                bool kept = before < options.TopP;
                before += p[id];
                return kept;
            })];
            p = Softmax(scores, ranked);
        }

        ranked = [.. ranked.Where(id => p[id] >= options.MinP * p.Max())];
        return Softmax(scores, ranked);
    }

    private static double[] Softmax(double[] scores, int[] ids)
    {
        double[] p = new double[scores.Length];
        double largest = ids.Max(id => scores[id]), sum = ids.Sum(id => Math.Exp(scores[id] - largest));
        foreach (int id in ids)
        {
            p[id] = Math.Exp(scores[id] - largest) / sum;
        }

        return p;
    }
}
