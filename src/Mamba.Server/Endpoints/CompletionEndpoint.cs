using System.Text;
using System.Text.Json;
using Mamba.Models.Generation;
using Mamba.Server.Http;
using Mamba.Server.Sessions;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>POST /v1/completions</c>: continues texts.</summary>
internal sealed class CompletionEndpoint(ServerContext server, SessionStore sessions)
{
    private const int UsualTokens = 16; // as OpenAI's servers

    public async Task HandleAsync(HttpContext context, CancellationTokenSource ending)
    {
        CompletionRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.CompletionRequest, server.Options.MaxBodyBytes, ending.Token)
            .ConfigureAwait(false);
        server.RequireModel(request.Model);
        ServerContext.Tag(request.User);
        int most = server.Options.MaxAnswers, each = request.ReadCount(most);
        if (request.BestOf is { } best && best != each)
        {
            throw ApiException.Field("best_of", $"expected n, {each}, or nothing; found {best}.");
        }

        int[][] prompts = Prompts.Read(request.Prompt, "prompt", server.Served.Tokenizer, most);
        if (prompts.Length * each > most)
        {
            throw ApiException.Field(
                "n", $"expected at most {most} answers to all prompts; found {prompts.Length * each}.");
        }

        request.RequireLogProbabilities();
        string[] stops = request.ReadStops();
        GenerationOptions options = request.ReadGeneration(
            server.Options, request.MaxTokens ?? Math.Min(UsualTokens, server.Options.MaxTokens), "max_tokens") with
        {
            LogProbabilities = request.Logprobs,
        };
        IAsyncEnumerable<CompletionPiece>[] texts = request.Session is { } id
            ? [sessions.ContinueAsync(sessions.Find(id), RequireOneText(request, each), options, stops, ending.Token)]
            :
            [
                .. Enumerable.Range(0, prompts.Length * each).Select(index => Continuation.ContinueAsync(
                    server.Served, prompts[index / each], WithSeed(options, (ulong)(index % each)), stops,
                    request.Echo == true, ending.Token)),
            ];
        IAsyncEnumerable<(int Index, CompletionPiece Piece)> pieces = Answers.Start(texts, ending);
        CompletionAnswer frame = new(
            $"cmpl-{Guid.NewGuid():N}", "text_completion", DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            server.Options.ModelId, []);
        await (request.IsStream
            ? StreamAsync(context, pieces, frame, each, texts.Length, request.HasUsage, ending.Token)
            : CollectAsync(context, pieces, frame, each, texts.Length, ending.Token)).ConfigureAwait(false);
    }

    private static string RequireOneText(CompletionRequest request, int answers) =>
        request.Prompt is { ValueKind: JsonValueKind.String } prompt && answers == 1 && request.Echo != true
            ? prompt.GetString()!
            : throw ApiException.Field(
                "session", "expected one prompt, a text, one answer and no echo with a session; found others.");

    private static GenerationOptions WithSeed(GenerationOptions options, ulong offset) => options with
    {
        Sampling = options.Sampling with { Seed = unchecked(options.Sampling.Seed + offset) },
    };

    private async Task StreamAsync(
        HttpContext context,
        IAsyncEnumerable<(int Index, CompletionPiece Piece)> pieces,
        CompletionAnswer frame,
        int each,
        int count,
        bool hasUsage,
        CancellationToken cancellation)
    {
        await server.StreamAsync(context, WriteAsync, cancellation).ConfigureAwait(false);

        async Task WriteAsync(EventStream events)
        {
            Task Send(CompletionAnswer piece) =>
                events.SendAsync(piece, WireJson.Default.CompletionAnswer, null, cancellation);
            UsageTotal usage = new();
            int[] lengths = new int[count];
            await events.StartAsync(cancellation).ConfigureAwait(false);
            await foreach ((int index, CompletionPiece piece) in pieces.ConfigureAwait(false))
            {
                usage.Add(index % each == 0 ? piece.Prompt : 0, piece.Generated, piece.Cached);
                int start = lengths[index];
                lengths[index] += piece.Text.Length;
                CompletionChoice choice = new(index, piece.Text)
                {
                    FinishReason = piece.Finish,
                    Logprobs = LogProbabilityMapping.OfText(piece.Tokens ?? [], server.Served.Tokenizer, start),
                };
                await Send(frame with { Choices = [choice] }).ConfigureAwait(false);
            }

            if (hasUsage)
            {
                await Send(frame with { Usage = usage.ToWire() }).ConfigureAwait(false);
            }
        }
    }

    private async Task CollectAsync(
        HttpContext context,
        IAsyncEnumerable<(int Index, CompletionPiece Piece)> pieces,
        CompletionAnswer frame,
        int each,
        int count,
        CancellationToken cancellation)
    {
        StringBuilder[] texts = [.. Enumerable.Range(0, count).Select(_ => new StringBuilder())];
        List<GeneratedToken>[] tokens = [.. texts.Select(_ => new List<GeneratedToken>())];
        int[] starts = new int[count]; // of the generated text
        string?[] finish = new string?[count];
        UsageTotal usage = new();
        await foreach ((int index, CompletionPiece piece) in pieces.ConfigureAwait(false))
        {
            texts[index].Append(piece.Text);
            tokens[index].AddRange(piece.Tokens ?? []);
            starts[index] += piece.Tokens is null ? piece.Text.Length : 0;
            finish[index] = piece.Finish;
            usage.Add(index % each == 0 ? piece.Prompt : 0, piece.Generated, piece.Cached);
        }

        CompletionChoice[] choices =
        [
            .. texts.Select((text, index) => new CompletionChoice(index, text.ToString())
            {
                FinishReason = finish[index],
                Logprobs = LogProbabilityMapping.OfText(tokens[index], server.Served.Tokenizer, starts[index]),
            }),
        ];
        await JsonBody.WriteAsync(
            context, frame with { Choices = choices, Usage = usage.ToWire() }, WireJson.Default.CompletionAnswer,
            cancellation).ConfigureAwait(false);
    }
}
