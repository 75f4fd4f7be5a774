using CsCheck;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class SamplerDistributionTests
{
    // The standard deviation of a frequency in n draws is 1/(2√n) at most, 2e-3 here; four of that.
    private const int Draws = 60_000;
    private const double Tolerance = 8.2e-3;

    private static readonly float[] Logits = [1.2f, -0.7f, 2.5f, 0.3f, 2.5f, -3f, float.NegativeInfinity, 1.9f];

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
        new() { TypicalP = 0.3 },
        new() { TypicalP = 0.7, Temperature = 1.6 },
        new() { TypicalP = 0.9, TopK = 6, TopP = 0.97, MinP = 0.05 },
        new() { FrequencyPenalty = 0.7 },
        new() { PresencePenalty = 1.5, RepetitionPenalty = 1.2 },
        new() { FrequencyPenalty = -0.4, PresencePenalty = 0.3, Temperature = 1.4, TopP = 0.9 },
        new() { LogitBias = new Dictionary<int, double> { [0] = 1.5, [2] = double.NegativeInfinity, [5] = 4 } },
        new()
        {
            LogitBias = new Dictionary<int, double> { [4] = -1, [6] = 3 }, RepetitionPenalty = 1.3,
            FrequencyPenalty = 0.2, TypicalP = 0.8,
        },
    ];

    public static TheoryData<SamplingOptions> Filters => new(AllFilters);

    [Theory]
    [MemberData(nameof(Filters))]
    public void Tokens_come_as_often_as_the_exact_probabilities_say(SamplingOptions options)
    {
        int[] previous = [2, 5, 2, 2, 7], counts = [3, 0, 3, 3, 1];
        double[] expected = Exact(Logits, previous, counts, options);
        Sampler sampler = new(Logits.Length, options with { Seed = 7 });
        int[] drawn = new int[Logits.Length];

        for (int i = 0; i < Draws; i++)
        {
            drawn[sampler.Next(Logits, previous, counts)]++;
        }

        for (int id = 0; id < drawn.Length; id++)
        {
            double frequency = (double)drawn[id] / Draws;
            frequency.Should().BeApproximately(expected[id], Tolerance, "token {0} under {1}", id, options);
            (drawn[id] == 0 || expected[id] > 0).Should().BeTrue("token {0} is cut off by {1}", id, options);
        }
    }

    [Fact]
    public void Every_filter_keeps_what_the_definition_keeps() =>
        Gen.Select(
            Gen.Int[-8, 8].Select(i => i / 2f).Array[1, 40], Gen.Int[0, 45], Gen.Double[0.01, 1], Gen.Double[0, 1],
            Gen.Double[0.2, 3], Gen.Double[0.01, 1], Gen.ULong)
        .Sample(
            (logits, topK, topP, minP, temperature, typicalP, seed) =>
            {
                SamplingOptions options = new()
                {
                    TopK = topK,
                    TopP = topP,
                    MinP = minP,
                    Temperature = temperature,
                    TypicalP = typicalP,
                    Seed = seed,
                };
                double[] exact = Exact(logits, [], [], options);
                Sampler sampler = new(logits.Length, options);

                for (int i = 0; i < 20; i++)
                {
                    exact[sampler.Next(logits)].Should().BePositive();
                }
            },
            iter: 2000,
            seed: "0000000000001");

    /// <summary>The probabilities by the definition, filter after filter, each on what the last one left.</summary>
    private static double[] Exact(float[] logits, int[] previous, int[] counts, SamplingOptions options)
    {
        double[] scores = Array.ConvertAll(logits, logit => (double)logit);
        foreach ((int id, double bias) in options.LogitBias ?? new Dictionary<int, double>())
        {
            scores[id] += bias;
        }

        foreach (int id in previous.Distinct())
        {
            int count = counts[Array.IndexOf(previous, id)];
            scores[id] *= scores[id] < 0 ? options.RepetitionPenalty : 1 / options.RepetitionPenalty;
            scores[id] -= options.FrequencyPenalty * count;
            scores[id] -= count > 0 ? options.PresencePenalty : 0;
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
        p = Softmax(scores, ranked);
        if (options.TypicalP < 1)
        {
            // Meister et al., arXiv:2202.00666, eq. 9. Rounded, because equally distant tokens go by their ids.
            double entropy = -ranked.Where(id => p[id] > 0).Sum(id => p[id] * Math.Log(p[id])), before = 0;
            ranked =
            [
                .. ranked.OrderBy(id => (float)Math.Abs(-Math.Log(p[id]) - entropy)).ThenBy(id => id).TakeWhile(id =>
                {
                    bool kept = before < options.TypicalP;
                    before += p[id];
                    return kept;
                }),
            ];
        }

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
