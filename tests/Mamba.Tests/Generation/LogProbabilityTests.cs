using CsCheck;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Tests.Generation;

public sealed class LogProbabilityTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        VocabularyMultiple = 20,
        Layers = [new MambaMixerOptions { ModelDim = 4, StateDim = 2 }],
    };

    [Fact]
    public void They_are_the_softmax_of_the_logits_the_likeliest_first() =>
        Gen.Select(Gen.Float[-60, 60].Array[1, 40], Gen.Int[0, 45], Gen.Int[0, 1000]).Sample((logits, count, pick) =>
        {
            int chosen = pick % logits.Length;

            GeneratedToken token = new LogProbabilities(logits.Length, count).Of(logits, chosen);

            token.Id.Should().Be(chosen);
            token.LogProbability.Should().BeApproximately(Exact(logits, chosen), 1e-12);
            token.Likeliest.Select(one => one.Id).Should().Equal(Enumerable.Range(0, logits.Length)
                .OrderByDescending(id => logits[id]).ThenBy(id => id).Take(count));
            foreach (TokenProbability one in token.Likeliest)
            {
                one.LogProbability.Should().BeApproximately(Exact(logits, one.Id), 1e-12);
            }
        });

    [Fact]
    public void A_token_that_the_model_rules_out_has_minus_infinity()
    {
        float[] logits = [1, float.NegativeInfinity];

        GeneratedToken token = new LogProbabilities(2, 2).Of(logits, 0);

        token.LogProbability.Should().Be(0);
        token.Likeliest[1].LogProbability.Should().Be(double.NegativeInfinity);
    }

    [Fact]
    public async Task Every_way_to_generate_gives_those_of_the_models_own_logits()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        int[] prompt = [3, 1, 4];
        GenerationOptions options = new()
        {
            MaxTokens = 12,
            LogProbabilities = 3,
            PrefillLength = new EngineOptions().PrefillLength,
            Sampling = new()
            {
                Temperature = 2, PresencePenalty = 1, Seed = 4, LogitBias = new Dictionary<int, double> { [5] = 2 },
            },
        };

        List<GeneratedToken> expected = [], inConversation = [], inEngine = [];
        await foreach (GeneratedToken token in model.GenerateTokensAsync(prompt, options))
        {
            expected.Add(token);
        }

        using Conversation conversation = new(model);
        conversation.Append(prompt);
        await foreach (GeneratedToken token in conversation.GenerateTokensAsync(options))
        {
            inConversation.Add(token);
        }

        await using MambaEngine engine = new(model, new() { Slots = 2 });
        await foreach (GeneratedToken token in engine.Submit(prompt, options).ReadTokensAsync())
        {
            inEngine.Add(token);
        }

        using ModelState state = model.CreateState();
        float[] logits = new float[20];
        model.Prefill(prompt, state, logits);
        foreach (GeneratedToken token in expected)
        {
            token.LogProbability.Should().BeApproximately(Exact(logits[..16], token.Id), 1e-12);
            token.Likeliest.Should().HaveCount(3);
            model.Step([token.Id], state, logits);
        }

        expected.Should().HaveCount(12);
        inConversation.Should().BeEquivalentTo(expected, equal => equal.WithStrictOrdering());
        inEngine.Should().BeEquivalentTo(expected, equal => equal.WithStrictOrdering());
    }

    [Fact]
    public async Task Without_the_option_there_are_none()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));

        await foreach (GeneratedToken token in model.GenerateTokensAsync(new[] { 1 }, new() { MaxTokens = 3 }))
        {
            token.LogProbability.Should().BeNull();
            token.Likeliest.Should().BeEmpty();
        }
    }

    [Fact]
    public void A_bias_of_a_token_that_the_model_does_not_have_is_refused_at_once()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        SamplingOptions sampling = new() { LogitBias = new Dictionary<int, double> { [16] = 1 } };

        FluentActions.Invoking(() => model.GenerateAsync(new[] { 1 }, new() { Sampling = sampling }))
            .Should().Throw<ArgumentOutOfRangeException>().WithMessage("*LogitBias*below 16*found 16*");
    }

    [Fact]
    public async Task Frequency_counts_what_was_generated_and_repetition_also_the_prompt()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        int[] prompt = [7, 7, 2];
        SamplingOptions sampling = SamplingOptions.Greedy with
        {
            FrequencyPenalty = 0.5, PresencePenalty = 0.1, RepetitionPenalty = 1.4,
        };
        List<int> text = [];
        await foreach (int token in model.GenerateAsync(prompt, new() { MaxTokens = 20, Sampling = sampling }))
        {
            text.Add(token);
        }

        using ModelState state = model.CreateState();
        float[] logits = new float[20];
        Sampler sampler = new(16, sampling);
        model.Prefill(prompt, state, logits);
        for (int i = 0; i < text.Count; i++)
        {
            int[] previous = [.. prompt.Concat(text.Take(i)).Distinct()];
            int[] counts = [.. previous.Select(id => text.Take(i).Count(token => token == id))];

            sampler.Next(logits.AsSpan(0, 16), previous, counts).Should().Be(text[i], "at {0}", i);
            model.Step([text[i]], state, logits);
        }
    }

    private static double Exact(float[] logits, int id)
    {
        double largest = logits.Max();
        return logits[id] - largest - Math.Log(logits.Sum(logit => Math.Exp(logit - largest)));
    }
}
