using Mamba.Models;
using Mamba.Models.Data;
using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Tests.OptionRecords;

public sealed class TextOptionsTests
{
    internal static readonly OptionTable[] Tables =
    [
        new(new SamplingOptions(), new()
        {
            ["Temperature"] = [-0.1, 1e7, double.NaN, double.PositiveInfinity],
            ["TopK"] = [-1],
            ["TopP"] = [0.0, -0.5, 1.01, double.NaN],
            ["MinP"] = [-0.1, 1.1, double.NaN],
            ["RepetitionPenalty"] = [0.0, -1.0, 1e7, double.NaN, double.PositiveInfinity],
            ["TypicalP"] = [0.0, -0.5, 1.01, double.NaN],
            ["FrequencyPenalty"] = [-1e7, 1e7, double.NaN, double.PositiveInfinity],
            ["PresencePenalty"] = [-1e7, 1e7, double.NaN, double.NegativeInfinity],
            ["LogitBias"] =
            [
                new Dictionary<int, double> { [-1] = 0 }, new Dictionary<int, double> { [1] = double.NaN },
                new Dictionary<int, double> { [1] = double.PositiveInfinity },
            ],
        }),
        new(new ModelHubOptions(), new()
        {
            ["Endpoint"] = [null, new Uri("hub", UriKind.Relative), new Uri("ftp://hub")],
            ["CacheFolder"] = [null, ""],
            ["Timeout"] = [TimeSpan.Zero, TimeSpan.FromSeconds(-1)],
            ["Attempts"] = [0, -1],
            ["RetryDelay"] = [TimeSpan.FromSeconds(-1)],
        }),
        new(new EngineOptions(), new()
        {
            ["Slots"] = [0, -1],
            ["QueueLength"] = [-1],
            ["MaxPromptTokens"] = [0, -1],
            ["PrefillLength"] = [0, -1],
            ["PrefixCacheBytes"] = [-1L],
        }),
        new(new BeamSearchOptions(), new()
        {
            ["Beams"] = [0, -1, 4097],
            ["MaxTokens"] = [0, -1],
            ["LengthPenalty"] = [-0.1, 11.0, double.NaN],
            ["PrefillLength"] = [0, -1],
            ["StopTokens"] = [new[] { 3, -1 }],
        }),
        new(new GenerationOptions(), new()
        {
            ["MaxTokens"] = [-1],
            ["LogProbabilities"] = [-1],
            ["PrefillLength"] = [0, -1],
            ["Sampling"] = [null],
            ["StopTokens"] = [new[] { 3, -1 }],
            ["StopSequences"] =
            [
                null, new int[]?[] { null }, new int[][] { [1], [] }, new int[][] { [1, -7] },
            ],
        }),
        new(new CorpusOptions(), new()
        {
            ["TokenBytes"] = [0, 3, -1, 8],
            ["Separator"] = [null, new[] { -1 }, new[] { 10, 256 }],
            ["HeldOut"] = [-0.1, 1.0, double.NaN],
            ["VocabularySize"] = [0, -1],
        }),
    ];

    [Fact]
    public void Limits_are_allowed()
    {
        new GenerationOptions { MaxTokens = 0, PrefillLength = 1, StopTokens = [], StopSequences = [[0]] }.Validate();
        new CorpusOptions { TokenBytes = 4, HeldOut = 0.99, VocabularySize = 11, Separator = [10] }.Validate();
    }

    [Fact]
    public void Options_of_sampling_are_checked_with_those_around_them()
    {
        Action validate = new GenerationOptions { Sampling = new() { TopK = -1 } }.Validate;

        validate.Should().Throw<ArgumentException>().WithParameterName("TopK");
    }
}
