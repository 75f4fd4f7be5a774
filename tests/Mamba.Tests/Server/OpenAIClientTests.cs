using System.ClientModel;
using Mamba.Server;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Responses;

namespace Mamba.Tests.Server;

#pragma warning disable OPENAI001 // the part of the client for responses is experimental

/// <summary>The .NET client of OpenAI works with the server as it is.</summary>
public sealed class OpenAIClientTests : IAsyncLifetime
{
    private ServerHost _host = null!;
    private OpenAIClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await ServerHost.StartAsync(new() { ApiKeys = ["secret"] });
        _client = ClientOf("secret");
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Chat_completions_whole_and_streamed()
    {
        ChatClient chat = _client.GetChatClient("mamba");
        ChatCompletionOptions options = new() { Temperature = 0, MaxOutputTokenCount = 12 };
        ChatMessage[] messages = [new SystemChatMessage("Be brief."), new UserChatMessage("Hi")];

        ChatCompletion answer = await chat.CompleteChatAsync(messages, options);
        string streamed = "";
        OpenAI.Chat.ChatFinishReason? finish = null;
        int? tokens = null;
        await foreach (StreamingChatCompletionUpdate update in chat.CompleteChatStreamingAsync(messages, options))
        {
            streamed += string.Concat(update.ContentUpdate.Select(part => part.Text));
            finish = update.FinishReason ?? finish;
            tokens = update.Usage?.OutputTokenCount ?? tokens;
        }

        answer.Content[0].Text.Should().NotBeEmpty().And.Be(streamed);
        answer.FinishReason.Should().Be(OpenAI.Chat.ChatFinishReason.Length);
        answer.Usage.OutputTokenCount.Should().Be(12);
        finish.Should().Be(OpenAI.Chat.ChatFinishReason.Length);
        tokens.Should().Be(12);
    }

    [Fact]
    public async Task Responses_whole_streamed_and_continued()
    {
        ResponsesClient responses = _client.GetResponsesClient();
        CreateResponseOptions options = new("mamba", [ResponseItem.CreateUserMessageItem("Hi")])
        {
            Temperature = 0, MaxOutputTokenCount = 9, Instructions = "Be brief.",
        };

        ResponseResult answer = await responses.CreateResponseAsync(options);
        ResponseResult next = await responses.CreateResponseAsync("mamba", "More", answer.Id);
        ResponseResult kept = await responses.GetResponseAsync(answer.Id);
        string streamed = "";
        ResponseResult? whole = null;
        await foreach (StreamingResponseUpdate update in await responses.CreateResponseStreamingAsync(
            new("mamba", [ResponseItem.CreateUserMessageItem("Hi")])
            {
                Temperature = 0, MaxOutputTokenCount = 9, Instructions = "Be brief.", StreamingEnabled = true,
            }))
        {
            streamed += (update as StreamingResponseOutputTextDeltaUpdate)?.Delta;
            whole = (update as StreamingResponseIncompleteUpdate)?.Response ?? whole;
        }

        answer.Status.Should().Be(ResponseStatus.Incomplete);
        answer.GetOutputText().Should().NotBeEmpty().And.Be(streamed);
        answer.Usage.OutputTokenCount.Should().Be(9);
        whole!.GetOutputText().Should().Be(streamed);
        next.PreviousResponseId.Should().Be(answer.Id);
        kept.GetOutputText().Should().Be(streamed);
    }

    [Fact]
    public async Task Embeddings_models_and_errors()
    {
        EmbeddingClient embeddings = _client.GetEmbeddingClient("mamba");

        OpenAIEmbedding vector = await embeddings.GenerateEmbeddingAsync("Once");
        var models = (await _client.GetOpenAIModelClient().GetModelsAsync()).Value;
        ClientResultException unknown = (await FluentActions
            .Awaiting(() => _client.GetChatClient("gpt").CompleteChatAsync("Hi"))
            .Should().ThrowAsync<ClientResultException>()).Which;
        ClientResultException key = (await FluentActions
            .Awaiting(() => ClientOf("wrong").GetChatClient("mamba").CompleteChatAsync("Hi"))
            .Should().ThrowAsync<ClientResultException>()).Which;

        vector.ToFloats().ToArray().Should().Equal((await Microsoft.Extensions.AI.EmbeddingGeneratorExtensions
            .GenerateVectorAsync(_host.Served.Embeddings, "Once")).ToArray());
        models.Select(model => model.Id).Should().Equal("mamba");
        unknown.Status.Should().Be(404);
        unknown.Message.Should().Contain("model_not_found");
        key.Status.Should().Be(401);
    }

    private OpenAIClient ClientOf(string key) => new(
        new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new(_host.Address, "v1") });
}
