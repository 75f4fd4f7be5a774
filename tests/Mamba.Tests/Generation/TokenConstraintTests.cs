using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Tests.Generation;

public sealed class TokenConstraintTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers = [new MambaMixerOptions { ModelDim = 4, StateDim = 2 }],
    };

    [Theory]
    [InlineData(0)]
    [InlineData(1.5)]
    public async Task Only_allowed_tokens_come_in_every_way_to_generate(double temperature)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        GenerationOptions options = new()
        {
            MaxTokens = 30,
            StopTokens = [0],
            Sampling = new() { Temperature = temperature, Seed = 3 },

            // Odd and even tokens in turn; the text may end after ten.
            Constraint = TokenConstraint.Allow(generated =>
            {
                int[] next = generated.Count % 2 == 0 ? [1, 3, 5, 99] : [2, 4];
                return generated.Count < 10 ? next : [0];
            }),
        };
        int[] prompt = [7, 8];
        List<int> alone = [];
        await foreach (int token in model.GenerateAsync(prompt, options))
        {
            alone.Add(token);
        }

        await using MambaEngine engine = new(model, new() { Slots = 2 });
        GenerationRequest[] requests = [engine.Submit(prompt, options), engine.Submit(prompt, options)];

        alone.Should().HaveCount(10);
        alone.Where((_, i) => i % 2 == 0).Should().OnlyContain(token => token == 1 || token == 3 || token == 5);
        alone.Where((_, i) => i % 2 == 1).Should().OnlyContain(token => token == 2 || token == 4);
        foreach (GenerationRequest request in requests)
        {
            (await request.ReadAllAsync()).Should().Equal(alone);
            request.Finish.Should().Be(FinishReason.Stop);
        }
    }

    [Fact]
    public async Task Null_allows_everything_and_nothing_ends_the_request_with_an_error()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        GenerationOptions options = new() { MaxTokens = 8, StopTokens = [], Sampling = SamplingOptions.Greedy };
        await using MambaEngine engine = new(model);

        IReadOnlyList<int> free = await engine.Submit(new[] { 1 }, options).ReadAllAsync();
        IReadOnlyList<int> all = await engine.Submit(
            new[] { 1 }, options with { Constraint = TokenConstraint.Allow(_ => null) }).ReadAllAsync();
        GenerationRequest none = engine.Submit(
            new[] { 1 }, options with { Constraint = TokenConstraint.Allow(_ => []) });

        all.Should().Equal(free);
        await none.Awaiting(request => request.ReadAllAsync()).Should().ThrowAsync<ArgumentException>()
            .WithMessage("*no token to choose*");
        (await engine.Submit(new[] { 1 }, options).ReadAllAsync()).Should().Equal(free, "the engine goes on");
    }
}
