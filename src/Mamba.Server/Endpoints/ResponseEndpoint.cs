using Mamba.Models.Generation;
using Mamba.Server.Http;
using Mamba.Server.Wire;
using Mamba.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Endpoints;

/// <summary>
/// <c>/v1/responses</c>: answers that the server remembers, so that the next request sends what is new.
/// </summary>
internal sealed class ResponseEndpoint(ServerContext server)
{
    private readonly ResponseStore _store = new(server.Options.MaxStoredResponses);

    public async Task HandleAsync(HttpContext context, CancellationTokenSource ending)
    {
        ResponseRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.ResponseRequest, server.Options.MaxBodyBytes, ending.Token)
            .ConfigureAwait(false);
        server.RequireModel(request.Model);
        ServerContext.Tag(request.User);
        List<ChatMessage> messages = ResponseMapping.MessagesOf(request.Input);
        ChatOptions options = ResponseMapping.OptionsOf(request, server.Options);
        MambaChatClient client = server.RequireChat();
        if (request.PreviousResponseId is { } previous)
        {
            messages.InsertRange(0, Find(previous, "previous_response_id").Messages);
        }

        IAsyncEnumerable<(int, ChatResponseUpdate)> pieces = Answers.Start(
            [client.GetStreamingResponseAsync(messages, options, ending.Token)], ending);
        ResponseAnswer frame = FrameOf(request, options);
        await (request.IsStream
            ? StreamAsync(context, pieces, frame, messages, ending.Token)
            : CollectAsync(context, pieces, frame, messages, ending.Token)).ConfigureAwait(false);
    }

    public Task GetAsync(HttpContext context, CancellationTokenSource ending) => JsonBody.WriteAsync(
        context, Find(IdOf(context)).Answer, WireJson.Default.ResponseAnswer, ending.Token);

    public Task DeleteAsync(HttpContext context, CancellationTokenSource ending)
    {
        string id = Find(IdOf(context)).Answer.Id;
        return JsonBody.WriteAsync(
            context, new(id, "response", _store.Remove(id)), WireJson.Default.DeletedItem, ending.Token);
    }

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private ResponseStore.Entry Find(string id, string? param = null) => _store.Find(id) ?? throw ApiException.NotFound(
        $"Expected a response that was stored, of which the last {server.Options.MaxStoredResponses} are kept; found " +
        $"\"{id}\".",
        param, "response_not_found");

    private ResponseAnswer FrameOf(ResponseRequest request, ChatOptions options)
    {
        GenerationOptions generation = (GenerationOptions)options.RawRepresentationFactory!(server.Served.Chat!)!;
        ResponseAnswer frame = new(
            $"resp_{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), server.Options.ModelId)
        {
            Status = "in_progress",
            Instructions = request.Instructions,
            MaxOutputTokens = request.MaxOutputTokens,
            PreviousResponseId = request.PreviousResponseId,
            Store = request.Store != false,
            Temperature = generation.Sampling.Temperature,
            TopP = generation.Sampling.TopP,
            Tools = request.Tools ?? [],
            ParallelToolCalls = request.ParallelToolCalls ?? true,
            Metadata = request.Metadata ?? [],
        };
        return request.ToolChoice is { } choice ? frame with { ToolChoice = choice } : frame;
    }

    private async Task StreamAsync(
        HttpContext context,
        IAsyncEnumerable<(int, ChatResponseUpdate)> pieces,
        ResponseAnswer frame,
        List<ChatMessage> messages,
        CancellationToken cancellation)
    {
        EventStream events = new(context, server.Options.WriteTimeout);
        ResponseWriter writer = new(frame, server.Served.Tokenizer, one => events.SendAsync(
            one, WireJson.Default.ResponseEvent, one.Type,
            cancellation.IsCancellationRequested ? default : cancellation)); // an event tells that time is over
        try
        {
            await RunAsync(writer, pieces, messages).ConfigureAwait(false);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            await writer.FailAsync(ServerContext.Describe(server.ErrorOf(exception)).Error).ConfigureAwait(false);
        }
    }

    private async Task CollectAsync(
        HttpContext context,
        IAsyncEnumerable<(int, ChatResponseUpdate)> pieces,
        ResponseAnswer frame,
        List<ChatMessage> messages,
        CancellationToken cancellation)
    {
        ResponseWriter writer = new(frame, server.Served.Tokenizer, _ => Task.CompletedTask);
        ResponseAnswer whole = await RunAsync(writer, pieces, messages).ConfigureAwait(false);
        await JsonBody.WriteAsync(context, whole, WireJson.Default.ResponseAnswer, cancellation).ConfigureAwait(false);
    }

    private async Task<ResponseAnswer> RunAsync(
        ResponseWriter writer, IAsyncEnumerable<(int, ChatResponseUpdate)> pieces, List<ChatMessage> messages)
    {
        await writer.BeginAsync().ConfigureAwait(false);
        List<ChatResponseUpdate> all = [];
        await foreach ((_, ChatResponseUpdate piece) in pieces.ConfigureAwait(false))
        {
            all.Add(piece);
            await writer.AddAsync(piece).ConfigureAwait(false);
        }

        return await writer.EndAsync(whole =>
        {
            if (whole.Store)
            {
                _store.Add(whole, [.. messages, .. all.ToChatResponse().Messages]);
            }
        }).ConfigureAwait(false);
    }
}
