using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Tests.Layers;

namespace Mamba.Tests.Models;

/// <summary>A conversation continues as one text, also after it was forked, rewound, saved and loaded.</summary>
public sealed class ConversationTests : IDisposable
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 40,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 16, StateDim = 4 },
            new AttentionMixerOptions { ModelDim = 16, Heads = 2, RotaryDim = 8 },
            new Mamba2MixerOptions { ModelDim = 16, StateDim = 8, HeadDim = 8 },
        ],
    };

    private static readonly int[] Prompt = [3, 1, 4, 1, 5, 9, 2, 6];

    private readonly Device _device = TestDevice.OpenBare();
    private readonly MambaLanguageModel _model;

    public ConversationTests() => _model = new(_device, Config, new Random(1));

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task Its_tokens_are_those_of_the_model_with_a_state()
    {
        GenerationOptions first = Drawn(1), second = Drawn(2);
        using ModelState state = _model.CreateState();
        List<int> expected = [.. Prompt, .. await All(_model.GenerateAsync(Prompt, first, state))];
        expected.AddRange([7, 8, .. await All(_model.GenerateAsync(new[] { 7, 8 }, second, state))]);
        using Conversation conversation = new(_model);

        conversation.Append(Prompt);
        await All(conversation.GenerateAsync(first));
        conversation.Append([7, 8]);
        await All(conversation.GenerateAsync(second));

        conversation.Tokens.Should().Equal(expected);
        conversation.Finish.Should().Be(FinishReason.Length);
    }

    [Fact]
    public async Task A_generation_goes_on_where_the_last_one_ended()
    {
        using Conversation whole = Begun(), parts = Begun();
        GenerationOptions greedy = new() { MaxTokens = 10, Sampling = SamplingOptions.Greedy, StopTokens = [] };

        await All(whole.GenerateAsync(greedy));
        await All(parts.GenerateAsync(greedy with { MaxTokens = 4 }));
        await All(parts.GenerateAsync(greedy with { MaxTokens = 6 }));

        parts.Tokens.Should().Equal(whole.Tokens).And.HaveCount(Prompt.Length + 10);
    }

    [Fact]
    public async Task A_stop_token_ends_it_and_is_not_appended()
    {
        using Conversation free = Begun(), stopped = Begun();
        int[] tokens = [.. await All(free.GenerateAsync(Drawn(1)))];
        int stop = tokens[4], before = Array.IndexOf(tokens, stop);

        await All(stopped.GenerateAsync(Drawn(1) with { StopTokens = [stop] }));

        stopped.Tokens.Should().Equal([.. Prompt, .. tokens[..before]]);
        stopped.Finish.Should().Be(FinishReason.Stop);
    }

    [Fact]
    public async Task A_fork_is_independent_and_can_be_gone_back_to_again_and_again()
    {
        using Conversation conversation = Begun(), start = conversation.Fork();
        List<int> first = await All(conversation.GenerateAsync(Drawn(1)));
        conversation.Append([1, 2, 3]);

        start.Tokens.Should().Equal(Prompt);
        for (int i = 0; i < 2; i++)
        {
            conversation.Rewind(start);
            conversation.Tokens.Should().Equal(Prompt);
            conversation.Finish.Should().BeNull();
            (await All(conversation.GenerateAsync(Drawn(1)))).Should().Equal(first);
        }

        (await All(start.GenerateAsync(Drawn(1)))).Should().Equal(first);
    }

    [Fact]
    public async Task A_file_continues_with_the_same_tokens()
    {
        string path = Path.GetTempFileName();
        try
        {
            using Conversation conversation = Begun();
            await All(conversation.GenerateAsync(Drawn(1)));
            conversation.Save(path);
            using Conversation loaded = Conversation.Load(_model, path);

            loaded.Tokens.Should().Equal(conversation.Tokens);
            (await All(loaded.GenerateAsync(Drawn(2)))).Should().Equal(await All(conversation.GenerateAsync(Drawn(2))));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_conversation_without_tokens_is_saved_too()
    {
        using Conversation empty = new(_model);
        using Conversation loaded = Conversation.Load(_model, new MemoryStream(Saved(empty)));

        loaded.Tokens.Should().BeEmpty();
        loaded.Invoking(conversation => conversation.GenerateAsync()).Should().Throw<InvalidOperationException>()
            .WithMessage("*Append the prompt first.");
    }

    [Fact]
    public void Every_damaged_byte_and_every_cut_is_refused()
    {
        using Conversation conversation = Begun();
        byte[] good = Saved(conversation);
        for (int i = 0; i < good.Length; i += i < 300 ? 1 : 97)
        {
            byte[] damaged = [.. good];
            damaged[i] ^= 0x40;
            Refuse(damaged, "*");
            Refuse(good[..i], "*cut off*");
        }

        byte[] token = [.. good];
        token[64] ^= 1;
        Refuse(token, "A saved conversation is damaged: its checksum is not that of its contents.");
        long before = GC.GetAllocatedBytesForCurrentThread();
        byte[] many = [.. good];
        many[19] = 15; // 250 million tokens
        Refuse(many, "*cut off*");
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(8 << 20);
    }

    [Fact]
    public void The_file_of_another_model_is_refused()
    {
        using Conversation conversation = Begun();
        byte[] saved = Saved(conversation);
        using MambaLanguageModel larger = new(_device, Config with { VocabularySize = 41 }, new Random(1));
        using MambaLanguageModel longer =
            new(_device, Config with { Layers = [.. Config.Layers, Config.Layers[0]] }, new Random(1));
        using MambaLanguageModel trained = new(_device, Config, new Random(1));
        float[] norm = trained.FinalNorm.Weight.Value.ToArray();
        norm[3] += 0.01f;
        trained.FinalNorm.Weight.Value.CopyFrom(norm);

        Refuse(saved, larger, "A saved conversation: expected logits of this model: 41; found 40.");
        Refuse(saved, longer, "The state was saved of another model*");
        Refuse(
            saved, trained,
            "A saved conversation: expected one of this model; found one of a model with other weights.");
        using Conversation other = new(longer);
        conversation.Invoking(c => c.Rewind(other)).Should().Throw<ArgumentException>()
            .WithMessage("Expected a conversation of the same model*");
    }

    [Fact]
    public async Task What_fails_changes_nothing()
    {
        using Conversation conversation = Begun(), same = Begun();
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();

        conversation.Invoking(c => c.Append([1, 40])).Should().Throw<ArgumentException>();
        conversation.Invoking(c => c.Append([1, 2], cancelled.Token)).Should().Throw<OperationCanceledException>();
        await conversation.Awaiting(c => All(c.GenerateAsync(Drawn(1), cancelled.Token)))
            .Should().ThrowAsync<OperationCanceledException>();

        conversation.Tokens.Should().Equal(Prompt);
        (await All(conversation.GenerateAsync(Drawn(1)))).Should().Equal(await All(same.GenerateAsync(Drawn(1))));
    }

    [Fact]
    public async Task A_change_between_two_tokens_ends_the_generation()
    {
        using Conversation conversation = Begun();
        await using IAsyncEnumerator<int> tokens = conversation.GenerateAsync(Drawn(1)).GetAsyncEnumerator();
        await tokens.MoveNextAsync();
        conversation.Append([5]);

        await tokens.Awaiting(t => t.MoveNextAsync().AsTask()).Should().ThrowAsync<InvalidOperationException>()
            .WithMessage("The state was changed*");
    }

    private static GenerationOptions Drawn(ulong seed) =>
        new() { MaxTokens = 12, Sampling = new() { Seed = seed }, StopTokens = [] };

    private static async Task<List<int>> All(IAsyncEnumerable<int> tokens)
    {
        List<int> all = [];
        await foreach (int token in tokens)
        {
            all.Add(token);
        }

        return all;
    }

    private Conversation Begun()
    {
        Conversation conversation = new(_model);
        conversation.Append(Prompt);
        return conversation;
    }

    private static byte[] Saved(Conversation conversation)
    {
        using MemoryStream stream = new();
        conversation.Save(stream);
        return stream.ToArray();
    }

    private void Refuse(byte[] saved, string message) => Refuse(saved, _model, message);

    private static void Refuse(byte[] saved, MambaLanguageModel model, string message) =>
        model.Invoking(m => Conversation.Load(m, new MemoryStream(saved)).Dispose())
            .Should().Throw<InvalidDataException>().WithMessage(message);
}
