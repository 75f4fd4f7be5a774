using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class SamplerTests
{
    private const float None = float.NegativeInfinity;

    private static readonly float[] Logits = [1.2f, -0.7f, 2.5f, 0.3f, 2.5f, -3f, None, 1.9f];

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
    public void Top_p_keeps_the_fewest_tokens_that_reach_it()
    {
        float[] logits = new float[20]; // each has a twentieth

        for (int tokens = 1; tokens <= 20; tokens++)
        {
            Sampler least = new(20, new() { TopP = (tokens - 0.99) / 20 });
            Sampler most = new(20, new() { TopP = (tokens - 0.01) / 20 });

            Draw(least, logits, 400).Distinct().Order().Should().Equal(Enumerable.Range(0, tokens));
            Draw(most, logits, 400).Distinct().Order().Should().Equal(Enumerable.Range(0, tokens));
        }
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
    public void Frequency_and_presence_penalties_are_subtracted_from_generated_tokens_alone()
    {
        float[] logits = [4, 3.5f, 3];
        Sampler frequency = new(3, SamplingOptions.Greedy with { FrequencyPenalty = 0.3 });
        Sampler presence = new(3, SamplingOptions.Greedy with { PresencePenalty = 0.6 });

        frequency.Next(logits, [0], [1]).Should().Be(0, "3.7 is above 3.5");
        frequency.Next(logits, [0], [2]).Should().Be(1, "3.4 is below 3.5");
        frequency.Next(logits, [0, 0], [1, 1]).Should().Be(0, "an id that comes twice is penalised once");
        presence.Next(logits, [0], [1]).Should().Be(1, "3.4 is below 3.5");
        presence.Next(logits, [0], [9]).Should().Be(1);
        presence.Next(logits, [0], [0]).Should().Be(0, "it stands in the prompt alone");
        presence.Next(logits, [0]).Should().Be(0);
    }

    [Fact]
    public void Counts_of_another_number_than_ids_are_refused()
    {
        Action next = () => new Sampler(3, new()).Next([1, 2, 3], [0, 1], [1]);

        next.Should().Throw<ArgumentException>().WithMessage("Expected 2 counts*found 1*");
    }

    [Fact]
    public void A_logit_bias_is_added_and_can_forbid()
    {
        float[] logits = [4, 3, 3.5f];
        Dictionary<int, double> bias = new() { [0] = double.NegativeInfinity, [1] = 0.6 };

        new Sampler(3, SamplingOptions.Greedy with { LogitBias = bias }).Next(logits).Should().Be(1);
    }

    [Fact]
    public void Typical_p_may_leave_the_likeliest_out()
    {
        float[] logits = [MathF.Log(0.4f), .. Enumerable.Repeat(MathF.Log(0.12f), 5)];

        // H = 1.64; -log 0.4 = 0.92 is 0.72 away, -log 0.12 = 2.12 is 0.48 away.
        Draw(new(6, new() { TypicalP = 0.5 }), logits, 300).Distinct().Order().Should().Equal(1, 2, 3, 4, 5);
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
    [InlineData(0, 1, 0, 1)]
    [InlineData(1, 1, 0, 1)]
    [InlineData(1, 0.9, 40, 1)]
    [InlineData(1, 0.9, 40, 0.5)]
    public void Nothing_is_allocated_after_construction(double temperature, double topP, int topK, double typicalP)
    {
        float[] logits = Samples.Normal(1, 1000);
        int[] previous = [1, 2, 3], counts = [0, 1, 5];
        SamplingOptions options = new()
        {
            Temperature = temperature, TopP = topP, TopK = topK, TypicalP = typicalP, FrequencyPenalty = 0.1,
            LogitBias = new Dictionary<int, double> { [7] = 1 }, RepetitionPenalty = 1.1,
        };
        Sampler sampler = new(1000, options);
        sampler.Next(logits, previous, counts);

        long allocated = Allocations.Of(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                sampler.Next(logits, previous, counts);
            }
        });

        allocated.Should().Be(0);
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
}
