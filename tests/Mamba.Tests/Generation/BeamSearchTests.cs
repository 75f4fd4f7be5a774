using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class BeamSearchTests
{
    private const int Vocabulary = 5;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void With_a_beam_for_every_text_it_finds_the_best_of_all(double penalty)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device);
        int[] prompt = [1, 2];
        const int Stop = 3;
        int length = TestDevice.IsCpu ? 4 : 2; // of 5^4 texts
        List<(int[] Tokens, double Sum, double Score)> all = [];
        using ModelState state = model.CreateState();
        float[] logits = new float[Vocabulary];
        model.Prefill(prompt, state, logits);
        Enumerate([], 0, state, logits);

        IReadOnlyList<BeamText> found = model.BeamSearch(
            prompt, new() { Beams = 700, MaxTokens = length, LengthPenalty = penalty, StopTokens = [Stop] });

        found.Should().HaveCount(Math.Min(700, all.Count));
        (int[] Tokens, double Sum, double Score)[] best = [.. all.OrderByDescending(text => text.Score)];
        for (int i = 0; i < Math.Min(20, all.Count); i++)
        {
            found[i].Score.Should().BeApproximately(best[i].Score, 1e-9);
            found[i].Tokens.Should().Equal(best[i].Tokens);
            found[i].LogProbability.Should().BeApproximately(best[i].Sum, 1e-9);
            found[i].Finish.Should().Be(
                best[i].Tokens.Length == length ? FinishReason.Length : FinishReason.Stop);
        }

        void Enumerate(int[] tokens, double sum, ModelState before, float[] next)
        {
            double largest = next.Max();
            double normalizer = largest + Math.Log(next.Sum(logit => Math.Exp(logit - largest)));
            for (int id = 0; id < Vocabulary; id++)
            {
                double total = sum + next[id] - normalizer;
                int count = tokens.Length + 1;
                if (id == Stop || count == length)
                {
                    int[] text = id == Stop ? tokens : [.. tokens, id];
                    all.Add((text, total, total / Math.Pow(count, penalty)));
                    continue;
                }

                using ModelState after = before.Clone();
                float[] following = new float[Vocabulary];
                model.Step([id], after, following);
                Enumerate([.. tokens, id], total, after, following);
            }
        }
    }

    [Fact]
    public async Task One_beam_is_greedy()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device);
        List<int> greedy = [];
        await foreach (int token in model.GenerateAsync(
            new[] { 4 }, new() { MaxTokens = 12, StopTokens = [], Sampling = SamplingOptions.Greedy }))
        {
            greedy.Add(token);
        }

        IReadOnlyList<BeamText> found = model.BeamSearch([4], new() { Beams = 1, MaxTokens = 12, StopTokens = [] });

        found.Should().ContainSingle().Which.Tokens.Should().Equal(greedy);
    }

    [Fact]
    public void More_beams_never_find_a_worse_text_than_greedy()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device);
        BeamSearchOptions options = new() { MaxTokens = 8, StopTokens = [], LengthPenalty = 0 };
        double greedy = model.BeamSearch([2], options with { Beams = 1 })[0].LogProbability;

        model.BeamSearch([2], options with { Beams = 20 })[0].LogProbability.Should().BeGreaterThanOrEqualTo(greedy);
    }

    private static MambaLanguageModel Model(Device device) => new(
        device,
        new()
        {
            VocabularySize = Vocabulary,
            Layers =
            [
                new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
                new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 4 },
            ],
        },
        new Random(1));
}
