using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Tests.Serving;

/// <summary>
/// Texts that are generated together are those that each gives alone, and none is lost or waits for good.
/// </summary>
public sealed class EngineTests : IDisposable
{
    private const int Piece = 8;

    private static readonly EngineOptions Options = new() { Slots = 4, PrefillLength = Piece, QueueLength = 100 };

    private readonly CpuDevice _device = new(2);
    private readonly MambaLanguageModel _model;

    public EngineTests() => _model = new(_device, Config, new Random(1));

    private static LanguageModelConfig Config => new()
    {
        VocabularySize = 40,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 16, StateDim = 4 },
            new AttentionMixerOptions { ModelDim = 16, Heads = 2, RotaryDim = 8 },
            new Mamba2MixerOptions { ModelDim = 16, StateDim = 8, HeadDim = 8 },
            new GatedMlpOptions { ModelDim = 16, HiddenDim = 24 },
        ],
    };

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task Each_of_many_requests_has_the_tokens_that_it_has_alone()
    {
        await using MambaEngine engine = new(_model, Options);
        (int[] Prompt, GenerationOptions Options)[] texts =
        [
            .. Enumerable.Range(0, 30).Select(i => (
                Prompt(1 + (i * 7 % 37), i),
                new GenerationOptions
                {
                    MaxTokens = 1 + (i * 5 % 23),
                    StopTokens = i % 3 == 0 ? [7] : [],
                    Sampling = new() { Temperature = i % 2, Seed = (ulong)i, RepetitionPenalty = i % 4 == 0 ? 1.3 : 1 },
                })),
        ];

        GenerationRequest[] requests = [.. texts.Select(text => engine.Submit(text.Prompt, text.Options))];

        for (int i = 0; i < texts.Length; i++)
        {
            IReadOnlyList<int> tokens = await requests[i].ReadAllAsync();
            tokens.Should().Equal(await Alone(texts[i].Prompt, texts[i].Options), "request {0}", i);
            requests[i].Finish.Should().Be(
                tokens.Count == texts[i].Options.MaxTokens ? FinishReason.Length : FinishReason.Stop, "request {0}", i);
        }

        engine.Statistics.Finished.Should().Be(30);
        engine.Statistics.Active.Should().Be(0);
        engine.Statistics.GeneratedTokens.Should().BeGreaterThan(30);
    }

    [Fact]
    public async Task A_known_prefix_is_not_read_again_and_changes_no_bit()
    {
        await using MambaEngine engine = new(_model, Options);
        int[] first = Prompt(29, 1), second = [.. first, .. Prompt(6, 2)];
        GenerationOptions options = new() { MaxTokens = 12, Sampling = new() { Seed = 3 }, StopTokens = [] };

        await engine.Submit(first, options).ReadAllAsync();
        GenerationRequest again = engine.Submit(second, options);

        (await again.ReadAllAsync()).Should().Equal(await Alone(second, options));
        again.CachedTokens.Should().Be(24); // three whole pieces
        engine.Statistics.CachedTokens.Should().Be(24);
        engine.Statistics.PrefixHits.Should().Be(1);
        engine.Statistics.PrefixCacheBytes.Should().BePositive();
    }

    [Fact]
    public async Task Prompts_that_part_continue_from_where_they_part()
    {
        await using MambaEngine engine = new(_model, Options);
        int[] system = Prompt(20, 1);
        GenerationOptions options = Exactly(3);
        int[] Ask(int seed) => [.. system, .. Prompt(15, seed)];

        await engine.Submit(Ask(2), options).ReadAllAsync(); // keeps the state after 32 tokens
        GenerationRequest second = engine.Submit(Ask(3), options);
        await second.ReadAllAsync(); // keeps it after 16, where both are the same
        GenerationRequest third = engine.Submit(Ask(4), options);

        (await third.ReadAllAsync()).Should().Equal(await Alone(Ask(4), options));
        second.CachedTokens.Should().Be(0);
        third.CachedTokens.Should().Be(16);
    }

    [Fact]
    public async Task A_conversation_continues_from_the_end_of_its_answer_if_bits_do_not_matter()
    {
        await using MambaEngine engine = new(_model, Options with { ExactPrefixes = false });
        int[] prompt = Prompt(13, 1);
        GenerationOptions options = new() { MaxTokens = 9, StopTokens = [], Sampling = SamplingOptions.Greedy };

        IReadOnlyList<int> answer = await engine.Submit(prompt, options).ReadAllAsync();
        int[] next = [.. prompt, .. answer, .. Prompt(4, 2)];
        GenerationRequest second = engine.Submit(next, options);

        (await second.ReadAllAsync()).Should().Equal(await Alone(next, options)); // greedy, so rounding does not show
        second.CachedTokens.Should().Be(13 + 8); // the last token was not read
    }

    [Fact]
    public async Task A_cancelled_request_ends_and_frees_its_slot()
    {
        await using MambaEngine engine = new(_model, Options with { Slots = 1 });
        using CancellationTokenSource source = new(), other = new();
        GenerationRequest endless = engine.Submit(Prompt(4, 1), Exactly(int.MaxValue), source.Token);
        GenerationRequest waiting = engine.Submit(Prompt(4, 2), new() { MaxTokens = 5 }, other.Token);
        GenerationRequest last = engine.Submit(Prompt(4, 3), Exactly(5));
        await using IAsyncEnumerator<int> tokens = endless.GetAsyncEnumerator();
        (await tokens.MoveNextAsync()).Should().BeTrue();

        await other.CancelAsync(); // while it waits
        await FluentActions.Awaiting(() => waiting.ReadAllAsync()).Should().ThrowAsync<OperationCanceledException>();
        await source.CancelAsync();

        (await last.ReadAllAsync()).Should().HaveCount(5);
        await FluentActions.Awaiting(() => endless.Completion).Should().ThrowAsync<OperationCanceledException>();
        endless.Finish.Should().BeNull();
        engine.Statistics.Active.Should().Be(0);
    }

    [Fact]
    public async Task A_prompt_is_cancelled_while_it_is_read()
    {
        await using MambaEngine engine = new(_model, Options);
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(50));

        GenerationRequest request = engine.Submit(Prompt(2_000_000, 1), new(), source.Token);

        await FluentActions.Awaiting(() => request.ReadAllAsync()).Should().ThrowAsync<OperationCanceledException>();
        (await engine.Submit(Prompt(3, 1), Exactly(2)).ReadAllAsync()).Should().HaveCount(2);
    }

    [Fact]
    public async Task A_short_prompt_does_not_wait_for_a_long_one()
    {
        await using MambaEngine engine = new(_model, Options);
        GenerationRequest slow = engine.Submit(Prompt(4000, 1), Exactly(1));
        GenerationRequest quick = engine.Submit(Prompt(10, 2), Exactly(20));

        await quick.ReadAllAsync();

        slow.Completion.IsCompleted.Should().BeFalse();
        (await slow.ReadAllAsync()).Should().HaveCount(1);
    }

    [Fact]
    public async Task Too_many_requests_are_refused()
    {
        await using MambaEngine engine = new(_model, Options with { Slots = 1, QueueLength = 2 });
        using CancellationTokenSource source = new();
        List<GenerationRequest> taken = [];
        QueueFullException? refusal = null;
        for (int i = 0; i < 10 && refusal is null; i++)
        {
            try
            {
                taken.Add(engine.Submit(Prompt(3, i), Exactly(int.MaxValue), source.Token));
            }
            catch (QueueFullException exception)
            {
                refusal = exception;
            }
        }

        refusal!.Message.Should().Match("*queue is full: * requests wait*");
        taken.Count.Should().BeInRange(3, 4); // the first may not have its slot yet
        await source.CancelAsync();
        foreach (GenerationRequest request in taken)
        {
            await FluentActions.Awaiting(() => request.Completion).Should().ThrowAsync<OperationCanceledException>();
        }
    }

    [Fact]
    public async Task A_client_that_does_not_read_stops_nobody()
    {
        await using MambaEngine engine = new(_model, Options with { Slots = 2 });
        GenerationRequest unread = engine.Submit(Prompt(3, 1), Exactly(300));

        for (int i = 0; i < 5; i++)
        {
            (await engine.Submit(Prompt(3, i), Exactly(50)).ReadAllAsync()).Should().HaveCount(50);
        }

        (await unread.ReadAllAsync()).Should().HaveCount(300);
    }

    [Fact]
    public async Task A_request_that_fails_says_why_and_the_engine_goes_on()
    {
        await using MambaEngine engine = new(_model, Options);
        _model.FinalNorm.Weight.Value.CopyFrom([.. Enumerable.Repeat(float.NaN, 16)]);

        GenerationRequest bad = engine.Submit(Prompt(3, 1));
        await FluentActions.Awaiting(() => bad.ReadAllAsync())
            .Should().ThrowAsync<ArgumentException>().WithMessage("*NaN*");
        bad.Finish.Should().BeNull();
        _model.FinalNorm.Weight.Value.CopyFrom([.. Enumerable.Repeat(1f, 16)]);

        (await engine.Submit(Prompt(3, 1), Exactly(4)).ReadAllAsync()).Should().HaveCount(4);
        engine.Statistics.Active.Should().Be(0);
    }

    [Fact]
    public async Task Disposing_ends_every_request()
    {
        MambaEngine engine = new(_model, Options with { Slots = 1 });
        GenerationRequest active = engine.Submit(Prompt(3, 1), Exactly(int.MaxValue));
        GenerationRequest waiting = engine.Submit(Prompt(3, 1), Exactly(int.MaxValue));

        await engine.DisposeAsync();
        await engine.DisposeAsync();

        await FluentActions.Awaiting(() => active.Completion).Should().ThrowAsync<OperationCanceledException>();
        await FluentActions.Awaiting(() => waiting.Completion).Should().ThrowAsync<OperationCanceledException>();
        engine.Invoking(e => e.Submit(Prompt(3, 1))).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task The_prefix_cache_stays_within_its_budget()
    {
        long budget = 100_000;
        await using MambaEngine engine = new(_model, Options with { PrefixCacheBytes = budget });
        List<long> bytes = [];
        for (int i = 0; i < 40; i++)
        {
            await engine.Submit(Prompt(40, i), Exactly(1)).ReadAllAsync();
            bytes.Add(engine.Statistics.PrefixCacheBytes);
        }

        bytes.Should().OnlyContain(used => used <= budget);
        bytes.Max().Should().BeGreaterThan(budget / 2);
        bytes.TakeLast(10).Distinct().Should().ContainSingle("all states are of one size");
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        await using MambaEngine engine = new(_model, Options);

        engine.Invoking(e => e.Submit(default)).Should().Throw<ArgumentException>().WithMessage("*at least one token*");
        engine.Invoking(e => e.Submit(new[] { 40 })).Should().Throw<ArgumentException>().WithMessage("*40*vocabulary*");
        engine.Invoking(e => e.Submit(new[] { 1 }, new() { MaxTokens = -1 }))
            .Should().Throw<ArgumentException>().WithMessage("MaxTokens*");
        (await engine.Submit(new[] { 1 }, new() { MaxTokens = 0 }).ReadAllAsync()).Should().BeEmpty();
    }

    /// <summary>Options of a text of so many tokens, whatever they are.</summary>
    private static GenerationOptions Exactly(int tokens) => new() { MaxTokens = tokens, StopTokens = [] };

    private static int[] Prompt(int length, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(40))];
    }

    private async Task<List<int>> Alone(int[] prompt, GenerationOptions options)
    {
        List<int> tokens = [];
        await foreach (int token in _model.GenerateAsync(prompt, options with { PrefillLength = Piece }))
        {
            tokens.Add(token);
        }

        return tokens;
    }
}
