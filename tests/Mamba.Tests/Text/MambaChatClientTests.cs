using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Tests.Text;

/// <summary>The chat interface gives the text that the model generates after the template's prompt.</summary>
public sealed class MambaChatClientTests : IDisposable
{
    private const string Template =
        "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{{ mood | default('') }}>";

    private static readonly ChatMessage[] Messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hi")];

    private static readonly TextTokenizer Tokenizer = new ByteTokenizer();

    private readonly CpuDevice _device = new(2);
    private readonly MambaLanguageModel _model;
    private readonly ChatTemplate _template = ChatTemplate.Parse(Template);
    private readonly MambaChatClient _client;

    public MambaChatClientTests()
    {
        _model = new(
            _device,
            new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 16, StateDim = 4 }] },
            new Random(1));
        _client = new(_model, Tokenizer, _template, "tiny") { Defaults = new() { MaxTokens = 20 } };
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public async Task The_answer_is_the_text_that_the_model_generates_after_the_prompt()
    {
        ChatOptions options = new() { Seed = 5, Temperature = 0.5f, TopK = 40, TopP = 0.9f, MaxOutputTokens = 30 };
        string prompt = "system: Be brief.\nuser: Hi\n>";

        ChatResponse response = await _client.GetResponseAsync(Messages, options);

        response.Text.Should().Be(await Generated(prompt, new()
        {
            MaxTokens = 30, Sampling = new() { Seed = 5, Temperature = 0.5f, TopK = 40, TopP = 0.9f },
        }));
        response.FinishReason.Should().Be(ChatFinishReason.Length);
        response.ModelId.Should().Be("tiny");
        response.ResponseId.Should().NotBeNullOrEmpty();
        response.Messages.Should().ContainSingle().Which.Role.Should().Be(ChatRole.Assistant);
        response.Usage!.InputTokenCount.Should().Be(prompt.Length);
        response.Usage.OutputTokenCount.Should().Be(30);
        response.Usage.TotalTokenCount.Should().Be(prompt.Length + 30);
    }

    [Fact]
    public async Task Instructions_join_the_system_message_and_other_properties_are_variables_of_the_template()
    {
        ChatOptions options = new()
        {
            Instructions = "In English.", AdditionalProperties = new() { ["mood"] = "glad" },
        };

        ChatResponse response = await _client.GetResponseAsync(Messages, options);

        response.Text.Should().Be(await Generated("system: In English.\nBe brief.\nuser: Hi\nglad>", _client.Defaults));
        (await _client.GetResponseAsync("Hi", new() { Instructions = "Go." })).Text.Should().Be(
            await Generated("system: Go.\nuser: Hi\n>", _client.Defaults));
    }

    [Fact]
    public async Task Updates_have_one_message_and_the_last_one_has_usage_and_reason()
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync(Messages))
        {
            updates.Add(update);
        }

        updates.Should().HaveCountGreaterThan(2);
        updates.Select(update => update.ResponseId).Distinct().Should().ContainSingle();
        updates.Select(update => update.MessageId).Distinct().Should().ContainSingle();
        updates.Should().OnlyContain(update => update.Role == ChatRole.Assistant && update.CreatedAt != null);
        updates[..^1].Should().OnlyContain(update => update.Text.Length > 0 && update.FinishReason == null);
        updates[^1].FinishReason.Should().Be(ChatFinishReason.Length);
        updates[^1].Contents.Should().ContainSingle().Which.Should().BeOfType<UsageContent>();
        updates.ToChatResponse().Text.Should().Be((await _client.GetResponseAsync(Messages)).Text);
    }

    [Fact]
    public async Task A_stop_string_ends_the_answer_before_it()
    {
        string whole = (await _client.GetResponseAsync(Messages)).Text;
        string stop = whole[5..8]; // three or more tokens
        string expected = whole[..whole.IndexOf(stop, StringComparison.Ordinal)];

        ChatResponse response = await _client.GetResponseAsync(Messages, new() { StopSequences = [stop, "never"] });

        response.Text.Should().Be(expected);
        response.FinishReason.Should().Be(ChatFinishReason.Stop);
    }

    [Fact]
    public async Task The_engine_ends_a_text_at_a_stop_string_and_counts_no_more_tokens()
    {
        string whole = (await _client.GetResponseAsync(Messages)).Text;
        string stop = whole[5..8];
        int end = whole.IndexOf(stop, StringComparison.Ordinal) + stop.Length;
        int[] ids = Tokenizer.Encode(whole[..end]);

        ChatResponse response = await _client.GetResponseAsync(Messages, new() { StopSequences = [stop] });

        response.Usage!.OutputTokenCount.Should().BeLessThanOrEqualTo(ids.Length);
        IReadOnlyList<GeneratedToken> tokens = (IReadOnlyList<GeneratedToken>)response.RawRepresentation!;
        Tokenizer.Decode([.. tokens.Select(token => token.Id)]).Should().Be(response.Text);
    }

    [Fact]
    public async Task Penalties_and_log_probabilities_are_those_of_the_options()
    {
        GenerationOptions raw = new() { LogProbabilities = 2 };
        ChatOptions options = new()
        {
            FrequencyPenalty = 0.5f, PresencePenalty = -1, Seed = 3, MaxOutputTokens = 15,
            RawRepresentationFactory = _ => raw,
        };
        List<GeneratedToken> expected = [];
        await foreach (GeneratedToken token in _model.GenerateTokensAsync(
            Tokenizer.Encode("system: Be brief.\nuser: Hi\n>"),
            raw with
            {
                MaxTokens = 15, Sampling = new() { FrequencyPenalty = 0.5, PresencePenalty = -1, Seed = 3 },
                PrefillLength = new EngineOptions().PrefillLength,
            }))
        {
            expected.Add(token);
        }

        ChatResponse response = await _client.GetResponseAsync(Messages, options);
        List<GeneratedToken> streamed = [];
        await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync(Messages, options))
        {
            streamed.AddRange((IReadOnlyList<GeneratedToken>)update.RawRepresentation!);
        }

        response.RawRepresentation.Should().BeEquivalentTo(expected, equal => equal.WithStrictOrdering());
        streamed.Should().BeEquivalentTo(expected, equal => equal.WithStrictOrdering());
    }

    [Fact]
    public async Task A_raw_representation_gives_what_the_options_do_not_have()
    {
        GenerationOptions raw = new()
        {
            MaxTokens = 9, Sampling = new() { MinP = 0.5, RepetitionPenalty = 1.5, Seed = 2 },
        };
        ChatOptions options = new() { RawRepresentationFactory = _ => raw, MaxOutputTokens = 7 };

        ChatResponse response = await _client.GetResponseAsync("Hi", options);

        response.Text.Should().Be(await Generated("user: Hi\n>", raw with { MaxTokens = 7 }));
    }

    [Fact]
    public async Task A_conversation_goes_on_from_the_cache()
    {
        List<ChatMessage> messages = [new(ChatRole.User, new string('a', 150))];
        ChatResponse first = await _client.GetResponseAsync(messages);
        messages.AddMessages(first);
        messages.Add(new(ChatRole.User, "More"));

        ChatResponse second = await _client.GetResponseAsync(messages);

        first.Usage!.CachedInputTokenCount.Should().Be(0);
        second.Usage!.CachedInputTokenCount.Should().BeGreaterThanOrEqualTo(64);
    }

    [Fact]
    public async Task Many_calls_at_once_have_the_answers_of_single_calls()
    {
        ChatOptions[] options = [.. Enumerable.Range(0, 12).Select(i => new ChatOptions { Seed = i })];
        string[] single = new string[options.Length];
        for (int i = 0; i < single.Length; i++)
        {
            single[i] = (await _client.GetResponseAsync($"Text {i}", options[i])).Text;
        }

        ChatResponse[] together =
            await Task.WhenAll(options.Select((one, i) => Task.Run(() => _client.GetResponseAsync($"Text {i}", one))));

        together.Select(response => response.Text).Should().Equal(single);
    }

    [Fact]
    public async Task Cancelling_and_leaving_early_free_the_engine()
    {
        await using MambaEngine engine = new(_model, new() { Slots = 1 });
        using MambaChatClient client = new(engine, Tokenizer, _template);
        ChatOptions endless = new() { MaxOutputTokens = int.MaxValue };
        using CancellationTokenSource cancelled = new();

        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync("Hi", endless))
        {
            break;
        }

        Task<ChatResponse> response = client.GetResponseAsync("Hi", endless, cancelled.Token);
        await cancelled.CancelAsync();

        await response.Awaiting(task => task).Should().ThrowAsync<OperationCanceledException>();
        (await client.GetResponseAsync("Hi", new() { MaxOutputTokens = 3 })).Usage!.OutputTokenCount.Should().Be(3);
    }

    [Fact]
    public async Task What_it_does_not_have_is_refused_by_name()
    {
        AITool tool = new Tool();
        (ChatOptions Options, string Name)[] refused =
        [
            (new() { ConversationId = "1" }, "ConversationId"), (new() { Tools = [tool] }, "Tools"),
            (
                new()
                {
                    ResponseFormat = ChatResponseFormat.Json,
                    RawRepresentationFactory = _ => new GenerationOptions
                    {
                        Constraint = TokenConstraint.Allow(_ => null),
                    },
                },
                "ResponseFormat"),
            (new() { ToolMode = ChatToolMode.RequireAny }, "ToolMode"),
            (new() { Reasoning = new() { Effort = ReasoningEffort.High } }, "Reasoning"),
            (new() { ModelId = "other" }, "ModelId"),
            (new() { RawRepresentationFactory = _ => "text" }, "RawRepresentationFactory"),
            (new() { AdditionalProperties = new() { ["messages"] = 1 } }, "AdditionalProperties"),
        ];
        foreach ((ChatOptions options, string name) in refused)
        {
            await _client.Awaiting(client => client.GetResponseAsync(Messages, options))
                .Should().ThrowAsync<NotSupportedException>().WithMessage($"{name} is not supported: expected *");
        }

        ChatMessage picture = new(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]);
        await _client.Awaiting(client => client.GetResponseAsync(picture)).Should().ThrowAsync<NotSupportedException>()
            .WithMessage("Expected messages of text; found DataContent in a message of \"user\".");
        await _client.Awaiting(client => client.GetResponseAsync(Messages, new() { Temperature = -1 }))
            .Should().ThrowAsync<ArgumentException>().WithMessage("*Temperature*");
        await _client.Awaiting(client => client.GetResponseAsync(Messages, new() { StopSequences = [""] }))
            .Should().ThrowAsync<ArgumentException>().WithMessage("StopSequences*");
        _client.Invoking(client => client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!))
            .Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new MambaChatClient(_model, Tokenizer)).Should().Throw<ArgumentException>()
            .WithMessage("Expected a chat template; found none*");
    }

    [Fact]
    public void It_says_what_it_is_made_of()
    {
        IChatClient client = _client;

        client.GetService<ChatClientMetadata>()!.ProviderName.Should().Be("mamba");
        client.GetService<ChatClientMetadata>()!.DefaultModelId.Should().Be("tiny");
        client.GetService<MambaChatClient>().Should().BeSameAs(_client);
        client.GetService<MambaLanguageModel>().Should().BeSameAs(_model);
        client.GetService<ByteTokenizer>().Should().BeSameAs(Tokenizer);
        client.GetService<MambaEngine>().Should().NotBeNull();
        client.GetService<ChatTemplate>("key").Should().BeNull();
        client.GetService<Random>().Should().BeNull();
    }

    private async Task<string> Generated(string prompt, GenerationOptions options)
    {
        List<int> tokens = [];
        await foreach (int token in _model.GenerateAsync(Tokenizer.Encode(prompt), options))
        {
            tokens.Add(token);
        }

        return Tokenizer.Decode([.. tokens]);
    }

    private sealed class Tool : AITool;
}
