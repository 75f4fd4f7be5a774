using System.Text;
using Mamba.Models.Generation;
using Mamba.Server.Http;
using Mamba.Server.Sessions;
using Mamba.Server.Wire;
using Mamba.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Endpoints;

/// <summary><c>POST /v1/chat/completions</c>: answers a conversation.</summary>
internal sealed class ChatEndpoint(ServerContext server, SessionStore sessions)
{
    private const string Whole = "chat.completion", Piece = "chat.completion.chunk";

    public async Task HandleAsync(HttpContext context, CancellationTokenSource ending)
    {
        ChatRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.ChatRequest, server.Options.MaxBodyBytes, ending.Token).ConfigureAwait(false);
        server.RequireModel(request.Model);
        ServerContext.Tag(request.User);
        List<ChatMessage> messages = ChatMapping.MessagesOf(request.Messages);
        ChatOptions options = ChatMapping.OptionsOf(request, server.Options);
        MambaChatClient client = server.RequireChat();
        int count = request.ReadCount(server.Options.MaxAnswers);
        IAsyncEnumerable<ChatResponseUpdate>[] answers = request.Session is not { } id
            ?
            [
                .. Enumerable.Range(0, count).Select(index => client.GetStreamingResponseAsync(
                    messages, ChatMapping.WithSeed(options, index), ending.Token)),
            ]
            : count == 1
                ? [sessions.AnswerAsync(sessions.Find(id), request.Messages!, client, options, ending.Token)]
                : throw ApiException.Field("n", $"expected 1 with a session; found {count}.");
        IAsyncEnumerable<(int Index, ChatResponseUpdate Piece)> pieces = Answers.Start(answers, ending);
        ChatAnswer frame = new(
            $"chatcmpl-{Guid.NewGuid():N}", Whole, DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            server.Options.ModelId, []);
        await (request.IsStream
            ? StreamAsync(
                context, pieces, frame with { Object = Piece }, answers.Length, request.HasUsage, ending.Token)
            : CollectAsync(context, pieces, frame, answers.Length, ending.Token)).ConfigureAwait(false);
    }

    private async Task StreamAsync(
        HttpContext context,
        IAsyncEnumerable<(int Index, ChatResponseUpdate Piece)> pieces,
        ChatAnswer frame,
        int count,
        bool hasUsage,
        CancellationToken cancellation)
    {
        await server.StreamAsync(context, WriteAsync, cancellation).ConfigureAwait(false);

        async Task WriteAsync(EventStream events)
        {
            Task Send(ChatAnswer piece) =>
                events.SendAsync(piece, WireJson.Default.ChatAnswer, null, cancellation);
            UsageTotal usage = new();
            int[] calls = new int[count];
            for (int index = 0; index < count; index++)
            {
                ChatChoice begin = new(index) { Delta = new() { Role = "assistant", Content = "" } };
                await Send(frame with { Choices = [begin] }).ConfigureAwait(false);
            }

            await foreach ((int index, ChatResponseUpdate piece) in pieces.ConfigureAwait(false))
            {
                usage.Add(piece);
                WireAnswerMessage? delta = DeltaOf(piece, ref calls[index]);
                ChatLogProbabilities? probabilities =
                    LogProbabilityMapping.OfChat(piece.RawRepresentation, server.Served.Tokenizer);
                if (delta is not null || probabilities is not null || piece.FinishReason is not null)
                {
                    ChatChoice choice = new(index)
                    {
                        Delta = delta ?? new(), FinishReason = piece.FinishReason?.Value, Logprobs = probabilities,
                    };
                    await Send(frame with { Choices = [choice] }).ConfigureAwait(false);
                }
            }

            if (hasUsage)
            {
                await Send(frame with { Usage = usage.ToWire() }).ConfigureAwait(false);
            }
        }
    }

    private async Task CollectAsync(
        HttpContext context,
        IAsyncEnumerable<(int Index, ChatResponseUpdate Piece)> pieces,
        ChatAnswer frame,
        int count,
        CancellationToken cancellation)
    {
        List<ChatResponseUpdate>[] all = [.. Enumerable.Range(0, count).Select(_ => new List<ChatResponseUpdate>())];
        UsageTotal usage = new();
        await foreach ((int index, ChatResponseUpdate piece) in pieces.ConfigureAwait(false))
        {
            usage.Add(piece);
            all[index].Add(piece);
        }

        await JsonBody.WriteAsync(
            context,
            frame with { Choices = [.. all.Select(ChoiceOf)], Usage = usage.ToWire() },
            WireJson.Default.ChatAnswer,
            cancellation).ConfigureAwait(false);
    }

    private ChatChoice ChoiceOf(List<ChatResponseUpdate> pieces, int index) => new(index)
    {
        Message = MessageOf(pieces),
        Logprobs = LogProbabilityMapping.OfChat(
            pieces.SelectMany(piece => piece.RawRepresentation as IEnumerable<GeneratedToken> ?? []),
            server.Served.Tokenizer),
        FinishReason = pieces.Select(piece => piece.FinishReason?.Value).LastOrDefault(finish => finish is not null),
    };

    /// <summary>The message that pieces make.</summary>
    public static WireAnswerMessage MessageOf(IEnumerable<ChatResponseUpdate> pieces)
    {
        AIContent[] contents = [.. pieces.SelectMany(piece => piece.Contents)];
        string text = string.Concat(contents.OfType<TextContent>().Select(part => part.Text));
        string reasoning = string.Concat(contents.OfType<TextReasoningContent>().Select(part => part.Text));
        WireToolCall[] calls = [.. contents.OfType<FunctionCallContent>().Select(call => CallOf(call, null))];
        return new()
        {
            Role = "assistant",
            Content = text.Length == 0 && calls.Length > 0 ? null : text,
            ReasoningContent = reasoning.Length > 0 ? reasoning : null,
            ToolCalls = calls.Length > 0 ? calls : null,
        };
    }

    /// <summary>What a piece adds to the message; null: nothing.</summary>
    private static WireAnswerMessage? DeltaOf(ChatResponseUpdate piece, ref int calls)
    {
        StringBuilder text = new(), reasoning = new();
        List<WireToolCall> made = [];
        foreach (AIContent content in piece.Contents)
        {
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case TextReasoningContent part:
                    reasoning.Append(part.Text);
                    break;
                case FunctionCallContent call:
                    made.Add(CallOf(call, calls++));
                    break;
            }
        }

        return text.Length + reasoning.Length + made.Count == 0
            ? null
            : new()
            {
                Content = text.Length > 0 ? text.ToString() : null,
                ReasoningContent = reasoning.Length > 0 ? reasoning.ToString() : null,
                ToolCalls = made.Count > 0 ? made : null,
            };
    }

    private static WireToolCall CallOf(FunctionCallContent call, int? index) => new()
    {
        Index = index,
        Id = call.CallId,
        Type = "function",
        Function = new() { Name = call.Name, Arguments = ArgumentsJson.Of(call.Arguments) },
    };
}
