using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

/// <summary>A draft changes the speed and no bit.</summary>
public sealed class SpeculativeDecoderTests
{
    private const int Vocabulary = 16;

    private static readonly Dictionary<string, MixerOptions[]> Schedules = new()
    {
        ["mamba1"] = [new MambaMixerOptions { ModelDim = 8, StateDim = 4 }],
        ["mamba2"] = [new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 }],
        ["hybrid"] =
        [
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
            new AttentionMixerOptions { ModelDim = 8, Heads = 4, KeyValueHeads = 2, HeadDim = 4, ConvWidth = 3 },
            new MambaMixerOptions { ModelDim = 8, StateDim = 4 },
        ],
    };

    public static TheoryData<string, int, double> Cases => new()
    {
        { "mamba1", 1, 0 }, { "mamba1", 4, 0 }, { "mamba1", 4, 1 }, { "mamba2", 3, 0 }, { "mamba2", 8, 0.7 },
        { "hybrid", 4, 0 }, { "hybrid", 5, 1 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_text_is_to_the_bit_the_one_without_a_draft(string name, int length, double temperature)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, name, 1);
        using MambaLanguageModel other = Model(device, "mamba1", 2);
        GenerationOptions options = new()
        {
            MaxTokens = TestDevice.IsCpu ? 60 : 8,
            LogProbabilities = 2,
            StopTokens = [],
            Sampling = new() { Temperature = temperature, Seed = 5, PresencePenalty = 0.2 },
        };
        int[] prompt = [3, 1, 4, 1, 5];
        List<GeneratedToken> expected = await Collect(model.GenerateTokensAsync(prompt, options));

        foreach (MambaLanguageModel draft in new[] { other, model }) // mostly wrong, mostly right
        {
            SpeculativeDecoder decoder = new(model, draft, length);
            List<GeneratedToken> text = await Collect(decoder.GenerateTokensAsync(prompt, options));

            text.Should().BeEquivalentTo(expected, equal => TestDevice.IsCuda
                ? equal.WithStrictOrdering() // cuBLAS adds in another order for another number of rows
                    .Using<double>(context => context.Subject.Should().BeApproximately(context.Expectation, 1e-5))
                    .WhenTypeIs<double>()
                : equal.WithStrictOrdering());
            decoder.Accepted.Should().BeLessThanOrEqualTo(decoder.Drafted);
        }
    }

    [Fact]
    public async Task A_draft_of_the_model_itself_is_always_right()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, "mamba2", 1);
        SpeculativeDecoder decoder = new(model, model, 4);
        GenerationOptions options = new() { MaxTokens = 21, StopTokens = [], Sampling = SamplingOptions.Greedy };

        List<GeneratedToken> text = await Collect(decoder.GenerateTokensAsync(new[] { 3 }, options));

        text.Should().HaveCount(21);
        decoder.Drafted.Should().Be(16, "a round gives five tokens, and the prompt the first");
        decoder.Accepted.Should().Be(16);
    }

    [Fact]
    public async Task Stops_and_limits_hold_within_a_draft()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, "mamba1", 1);
        GenerationOptions options = new() { MaxTokens = 30, StopTokens = [], Sampling = new() { Seed = 2 } };
        List<GeneratedToken> whole = await Collect(model.GenerateTokensAsync(new[] { 3 }, options));
        for (int most = 0; most < 14; most += TestDevice.IsCpu ? 1 : 6)
        {
            foreach (GenerationOptions bounded in new[]
            {
                options with { MaxTokens = most }, options with { StopTokens = [whole[most].Id] },
                options with { StopSequences = [[whole[most].Id, whole[most + 1].Id]] },
            })
            {
                List<GeneratedToken> expected = await Collect(model.GenerateTokensAsync(new[] { 3 }, bounded));
                List<GeneratedToken> text = await Collect(
                    new SpeculativeDecoder(model, model, 3).GenerateTokensAsync(new[] { 3 }, bounded));
                text.Select(token => token.Id).Should().Equal(expected.Select(token => token.Id));
            }
        }
    }

    [Fact]
    public void Models_of_other_vocabularies_are_refused()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = Model(device, "mamba1", 1);
        using MambaLanguageModel other = new(
            device, new() { VocabularySize = 20, Layers = Schedules["mamba1"] }, new Random(1));

        FluentActions.Invoking(() => new SpeculativeDecoder(model, other)).Should().Throw<ArgumentException>()
            .WithMessage("*16 tokens*20*");
        FluentActions.Invoking(() => new SpeculativeDecoder(model, model, 0))
            .Should().Throw<ArgumentOutOfRangeException>().WithMessage("*draftTokens*1 to 64*0*");
    }

    private static MambaLanguageModel Model(Device device, string name, int seed) => new(
        device, new() { VocabularySize = Vocabulary, Layers = Schedules[name] }, new Random(seed));

    private static async Task<List<GeneratedToken>> Collect(IAsyncEnumerable<GeneratedToken> tokens)
    {
        List<GeneratedToken> all = [];
        await foreach (GeneratedToken token in tokens)
        {
            all.Add(token);
        }

        return all;
    }
}
