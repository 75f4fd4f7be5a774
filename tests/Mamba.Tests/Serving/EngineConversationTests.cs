using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Tests.Serving;

/// <summary>A conversation continues in an engine, among others, as it does by itself.</summary>
public sealed class EngineConversationTests : IDisposable
{
    private const int Piece = 8;

    private readonly CpuDevice _device = new(2);
    private readonly MambaLanguageModel _model;

    public EngineConversationTests() => _model = new(
        _device,
        new()
        {
            VocabularySize = 40,
            Layers =
            [
                new MambaMixerOptions { ModelDim = 16, StateDim = 4 },
                new AttentionMixerOptions { ModelDim = 16, Heads = 2, RotaryDim = 8 },
            ],
        },
        new Random(1));

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task It_reads_only_what_is_new_and_stands_at_the_end()
    {
        await using MambaEngine engine = Engine();
        using Conversation conversation = new(_model), alone = new(_model);
        int[] first = Prompt(13, 1), more = Prompt(11, 2);

        IReadOnlyList<int> answer = await engine.Continue(conversation, first, Exactly(9)).ReadAllAsync();
        int[] text = [.. conversation.Tokens, .. more];
        Task others = Task.WhenAll(
            Enumerable.Range(0, 5).Select(i => engine.Submit(Prompt(20, i), Exactly(30)).Completion));
        GenerationRequest next = engine.Continue(conversation, text, Exactly(7));
        IReadOnlyList<int> second = await next.ReadAllAsync();
        await next.Completion;
        await others;

        alone.Append(first);
        (await TokensOf(alone, 9)).Should().Equal(answer);
        alone.Append(more);
        (await TokensOf(alone, 7)).Should().Equal(second);
        next.CachedTokens.Should().Be(13 + 9);
        conversation.Tokens.Should().Equal([.. text, .. second]);
        conversation.Finish.Should().Be(FinishReason.Length);
        List<int> after = await TokensOf(alone, 5);
        (await TokensOf(conversation, 5)).Should().Equal(after); // its logits and state are at the end
    }

    [Fact]
    public async Task It_can_go_on_without_new_tokens_and_ends_before_a_stop_token()
    {
        await using MambaEngine engine = Engine();
        using Conversation conversation = new(_model), alone = new(_model);
        int[] prompt = Prompt(13, 1);
        alone.Append(prompt);
        List<int> expected = await TokensOf(alone, 12);
        expected.Distinct().Should().HaveCountGreaterThan(2);
        int stop = expected.Skip(4).First(token => !expected.Take(4).Contains(token));
        int at = expected.IndexOf(stop);

        await engine.Continue(conversation, prompt, Exactly(2)).Completion;
        GenerationRequest rest = engine.Continue(
            conversation, conversation.Tokens.ToArray(), Exactly(20) with { StopTokens = [stop] });

        (await rest.ReadAllAsync()).Should().Equal(expected.Take(at).Skip(2));
        await rest.Completion;
        rest.Finish.Should().Be(FinishReason.Stop);
        conversation.Tokens.Should().Equal([.. prompt, .. expected.Take(at)]);
        (await TokensOf(conversation, 12 - at)).Should().Equal(expected.Skip(at));
    }

    [Fact]
    public async Task Another_text_is_read_from_its_beginning()
    {
        await using MambaEngine engine = Engine();
        using Conversation conversation = new(_model);
        await engine.Continue(conversation, Prompt(13, 1), Exactly(4)).Completion;

        GenerationRequest other = engine.Continue(conversation, Prompt(10, 2), Exactly(6));
        IReadOnlyList<int> tokens = await other.ReadAllAsync();
        await other.Completion;

        other.CachedTokens.Should().Be(0);
        conversation.Tokens.Should().Equal([.. Prompt(10, 2), .. tokens]);
        using Conversation alone = new(_model);
        alone.Append(Prompt(10, 2));
        (await TokensOf(alone, 6)).Should().Equal(tokens);
    }

    [Fact]
    public async Task A_cancelled_answer_stays_as_far_as_it_came_and_a_cancelled_prompt_changes_nothing()
    {
        await using MambaEngine engine = Engine();
        using Conversation conversation = new(_model), alone = new(_model);
        using CancellationTokenSource source = new(), early = new(TimeSpan.FromMilliseconds(50));
        int[] prompt = Prompt(13, 1);

        GenerationRequest endless = engine.Continue(conversation, prompt, Exactly(int.MaxValue), source.Token);
        await foreach (int token in endless)
        {
            await source.CancelAsync();
            break;
        }

        await FluentActions.Awaiting(() => endless.Completion).Should().ThrowAsync<OperationCanceledException>();
        int[] cut = [.. conversation.Tokens];
        GenerationRequest unread = engine.Continue(
            conversation, (int[])[.. cut, .. Prompt(1_000_000, 2)], Exactly(1), early.Token);
        await FluentActions.Awaiting(() => unread.Completion).Should().ThrowAsync<OperationCanceledException>();

        conversation.Tokens.Should().Equal(cut);
        alone.Append(prompt);
        List<int> expected = await TokensOf(alone, cut.Length - 13 + 5);
        cut.Should().Equal([.. prompt, .. expected.SkipLast(5)]);
        (await TokensOf(conversation, 5)).Should().Equal(expected.TakeLast(5));
    }

    [Fact]
    public async Task Its_states_do_not_change_the_bits_of_others()
    {
        await using MambaEngine engine = Engine();
        using Conversation conversation = new(_model);
        await engine.Continue(conversation, Prompt(3, 1), Exactly(5)).Completion; // 8 tokens, read one by one
        int[] text = [.. conversation.Tokens, .. Prompt(8, 2)];
        await engine.Continue(conversation, text, Exactly(1)).Completion;

        GenerationRequest other = engine.Submit((int[])[.. text, 1, 2], Exactly(1));
        await other.Completion;

        other.CachedTokens.Should().Be(0);
    }

    [Fact]
    public async Task Work_runs_between_the_steps_and_its_faults_are_the_callers()
    {
        MambaEngine engine = Engine();
        GenerationRequest endless = engine.Submit(Prompt(3, 1), Exactly(int.MaxValue));

        string? name = await engine.RunAsync(() => Thread.CurrentThread.Name);
        await FluentActions.Awaiting(() => engine.RunAsync<int>(() => throw new InvalidDataException("mine")))
            .Should().ThrowAsync<InvalidDataException>();

        name.Should().Be(nameof(MambaEngine));
        endless.Completion.IsCompleted.Should().BeFalse();
        await engine.DisposeAsync();
        await FluentActions.Awaiting(() => engine.RunAsync(() => 1)).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        await using MambaEngine engine = new(_model, new() { MaxPromptTokens = 5 });
        using MambaLanguageModel other = new(_device, _model.Config, new Random(2));
        using Conversation foreign = new(other), own = new(_model);

        engine.Invoking(e => e.Continue(foreign, Prompt(3, 1))).Should().Throw<ArgumentException>()
            .WithMessage("*engine's model*");
        engine.Invoking(e => e.Continue(own, Prompt(6, 1))).Should().Throw<PromptTooLongException>()
            .WithMessage("*at most 5*found 6*");
        engine.Invoking(e => e.Submit(Prompt(6, 1))).Should().Throw<PromptTooLongException>();
    }

    private MambaEngine Engine() => new(_model, new() { Slots = 3, PrefillLength = Piece });

    private static GenerationOptions Exactly(int tokens) =>
        new() { MaxTokens = tokens, StopTokens = [], Sampling = SamplingOptions.Greedy };

    private static int[] Prompt(int length, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(40))];
    }

    private static async Task<List<int>> TokensOf(Conversation conversation, int count)
    {
        List<int> tokens = [];
        await foreach (int token in conversation.GenerateAsync(Exactly(count)))
        {
            tokens.Add(token);
        }

        return tokens;
    }
}
