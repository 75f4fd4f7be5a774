using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

/// <summary>Generation takes time in proportion to the text, and leaves nothing behind.</summary>
public sealed class GenerationTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers = [new MambaMixerOptions { ModelDim = 4, StateDim = 2 }],
    };

    [Theory]
    [InlineData(99)]
    [InlineData(-1)]
    [InlineData(16)]
    public void A_prompt_with_an_unknown_id_is_refused_before_any_piece_is_read(int id)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();

        FluentActions.Invoking(() => model.GenerateAsync(new[] { 1, 2, 3, id }, new() { PrefillLength = 2 }, state))
            .Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage($"Token id {id} lies outside the vocabulary of 16.*prompt*");

        state.Positions.Should().Equal(0);
    }

    [Fact]
    public async Task A_prompt_may_have_ids_of_the_padding_whatever_the_penalty()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config with { VocabularyMultiple = 20 }, new Random(1));
        int[] prompt = [1, 19];
        GenerationOptions options = new() { MaxTokens = 5, Sampling = new() { RepetitionPenalty = 1.5 } };

        List<int> text = await TokensOf(model.GenerateAsync(prompt, options));

        text.Should().HaveCount(5).And.OnlyContain(token => token < 16);
    }

    [Fact]
    public async Task A_prompt_that_is_cancelled_between_pieces_leaves_the_state_as_it_was()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16], expected = new float[16];
        model.Prefill([5, 6], state, logits);
        using ModelState before = state.Clone();
        using CancellationTokenSource source = new();
        source.CancelAfter(TimeSpan.FromMilliseconds(100));

        await FluentActions.Awaiting(() => TokensOf(model.GenerateAsync(
                new int[5_000_000], new() { PrefillLength = 16 }, state, source.Token)))
            .Should().ThrowAsync<OperationCanceledException>();

        state.Positions.Should().Equal(2);
        model.Step([3], state, logits);
        model.Step([3], before, expected);
        logits.ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public async Task A_prompt_read_by_pieces_gives_the_state_and_the_text_of_the_whole()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState whole = model.CreateState(), pieces = model.CreateState();
        int[] prompt = [1, 2, 3, 4, 5];
        GenerationOptions options = new() { MaxTokens = 6, Sampling = SamplingOptions.Greedy };

        List<int> expected = await TokensOf(model.GenerateAsync(prompt, options, whole));
        List<int> actual = await TokensOf(model.GenerateAsync(prompt, options with { PrefillLength = 2 }, pieces));

        actual.Should().Equal(expected);
        pieces.Positions.Should().Equal(whole.Positions);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_generations_over_one_state_at_a_time_are_refused(bool isSameResult)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        GenerationOptions options = new() { Sampling = SamplingOptions.Greedy };
        IAsyncEnumerable<int> text = model.GenerateAsync(new[] { 1, 2 }, options, state);
        await using IAsyncEnumerator<int> first = text.GetAsyncEnumerator();
        await first.MoveNextAsync();
        await using IAsyncEnumerator<int> second =
            (isSameResult ? text : model.GenerateAsync(new[] { 3 }, options, state)).GetAsyncEnumerator();
        await second.MoveNextAsync();

        await FluentActions.Awaiting(() => first.MoveNextAsync().AsTask()).Should()
            .ThrowAsync<InvalidOperationException>().WithMessage("*one generation at a time over a state*");

        (await second.MoveNextAsync()).Should().BeTrue("it has the state to itself now");
    }

    [Fact]
    public async Task A_generator_that_is_dropped_does_not_keep_its_state_from_others()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        IAsyncEnumerator<int> dropped = model.GenerateAsync(new[] { 1, 2 }, null, state).GetAsyncEnumerator();
        await dropped.MoveNextAsync();

        List<int> text = await TokensOf(model.GenerateAsync(new[] { 3 }, new() { MaxTokens = 5 }, state));

        text.Should().HaveCount(5);
    }

    [Fact]
    public async Task A_token_costs_the_same_after_a_long_text()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        double shortText = double.MaxValue, longText = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            shortText = Math.Min(shortText, await SecondsAfter(100));
            longText = Math.Min(longText, await SecondsAfter(150_000));
        }

        longText.Should().BeLessThan(4 * shortText, "a token does not read the text again");

        async Task<double> SecondsAfter(int promptLength)
        {
            int[] prompt = new int[promptLength];
            Stopwatch watch = new();
            await foreach (
                int token in model.GenerateAsync(prompt, new() { MaxTokens = 400, Sampling = SamplingOptions.Greedy }))
            {
                watch.Start(); // behind the prompt
            }

            return watch.Elapsed.TotalSeconds;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1.3)]
    public async Task A_penalty_counts_every_token_of_prompt_and_text(double penalty)
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        GenerationOptions options =
            new() { MaxTokens = 40, Sampling = new() { Temperature = 0, RepetitionPenalty = penalty } };
        int[] prompt = [3, 1, 4, 1, 5];
        List<int> text = [.. prompt];
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        model.Prefill(prompt, state, logits);
        Sampler sampler = new(16, options.Sampling);
        for (int i = 0; i < 40; i++)
        {
            text.Add(sampler.Next(logits, text.ToArray()));
            model.Step([text[^1]], state, logits);
        }

        List<int> actual = [.. prompt];
        await foreach (int token in model.GenerateAsync(prompt, options))
        {
            actual.Add(token);
        }

        actual.Should().Equal(text);
    }

    [Fact]
    public async Task A_generator_that_is_dropped_gives_its_state_back()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        await Drop(model, 3);
        long before = Collected(device);

        await Drop(model, 200);

        Collected(device).Should().Be(before);
    }

    private static async Task<List<int>> TokensOf(IAsyncEnumerable<int> text)
    {
        List<int> tokens = [];
        await foreach (int token in text)
        {
            tokens.Add(token);
        }

        return tokens;
    }

    private static async Task Drop(MambaLanguageModel model, int count)
    {
        for (int i = 0; i < count; i++)
        {
            IAsyncEnumerator<int> dropped = model.GenerateAsync(new[] { 1, 2 }).GetAsyncEnumerator();
            await dropped.MoveNextAsync();
        }
    }

    private static long Collected(Device device)
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        device.Scope().Dispose(); // frees what finalizers have left to do
        return device.AllocatedBytes;
    }
}
