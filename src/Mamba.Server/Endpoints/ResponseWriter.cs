using System.Text;
using Mamba.Server.Wire;
using Mamba.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Endpoints;

/// <summary>Makes the items of a response from the pieces of an answer, and tells each step as an event.</summary>
/// <param name="frame">The response without items.</param>
/// <param name="tokenizer">Gives the texts of tokens with log-probabilities.</param>
/// <param name="send">Gets the events in order.</param>
internal sealed class ResponseWriter(ResponseAnswer frame, TextTokenizer tokenizer, Func<ResponseEvent, Task> send)
{
    private readonly List<ResponseItem> _items = [];
    private readonly StringBuilder _text = new();
    private readonly List<TokenLogProbability> _logProbabilities = []; // of the message that goes on
    private int _told; // of them, those that an event has told
    private readonly UsageTotal _usage = new();
    private ResponseItem? _open; // a message or reasoning that goes on
    private string? _finish;
    private int _number;

    /// <summary>Tells that the response has begun.</summary>
    public async Task BeginAsync()
    {
        await SendAsync("response.created", e => e with { Response = frame }).ConfigureAwait(false);
        await SendAsync("response.in_progress", e => e with { Response = frame }).ConfigureAwait(false);
    }

    /// <summary>Adds a piece.</summary>
    public async Task AddAsync(ChatResponseUpdate piece)
    {
        _usage.Add(piece);
        _finish = piece.FinishReason?.Value ?? _finish;
        if (!piece.Contents.Any(content => content is TextReasoningContent or FunctionCallContent))
        {
            // A token may come before its text, which waits for the rest of a character.
            _logProbabilities.AddRange(
                LogProbabilityMapping.OfChat(piece.RawRepresentation, tokenizer)?.Content ?? []);
        }

        foreach (AIContent content in piece.Contents)
        {
            await (content switch
            {
                TextContent { Text.Length: > 0 } part => AppendAsync("message", part.Text),
                TextReasoningContent { Text.Length: > 0 } part => AppendAsync("reasoning", part.Text),
                FunctionCallContent call => AddCallAsync(call),
                _ => Task.CompletedTask,
            }).ConfigureAwait(false);
        }
    }

    /// <summary>Tells the end.</summary>
    /// <param name="keep">Gets the whole response before the client does, which may continue it at once.</param>
    /// <returns>The whole response.</returns>
    public async Task<ResponseAnswer> EndAsync(Action<ResponseAnswer> keep)
    {
        if (_items.Count == 0 && _open is null)
        {
            await OpenAsync("message").ConfigureAwait(false); // an empty answer is a message, too
        }

        await CloseAsync().ConfigureAwait(false);
        bool isCut = _finish == ChatFinishReason.Length.Value;
        ResponseAnswer whole = frame with
        {
            Status = isCut ? "incomplete" : "completed",
            IncompleteDetails = isCut ? new("max_output_tokens") : null,
            Output = _items,
            Usage = new(
                _usage.Prompt, new(_usage.Cached), _usage.Generated, new(_usage.Reasoning),
                _usage.Prompt + _usage.Generated),
        };
        keep(whole);
        await SendAsync($"response.{whole.Status}", e => e with { Response = whole }).ConfigureAwait(false);
        return whole;
    }

    /// <summary>Tells a failure.</summary>
    public Task FailAsync(ErrorFields error) => SendAsync("response.failed", e => e with
    {
        Response = frame with { Status = "failed", Error = error with { Code = error.Code ?? error.Type } },
    });

    private static string PartOf(string item) => item == "message" ? "output_text" : "reasoning_text";

    private async Task AppendAsync(string item, string text)
    {
        if (_open?.Type != item)
        {
            await CloseAsync().ConfigureAwait(false);
            await OpenAsync(item).ConfigureAwait(false);
        }

        _text.Append(text);
        TokenLogProbability[]? untold = LogProbabilities?[_told..];
        _told = _logProbabilities.Count;
        await SendAsync($"response.{PartOf(item)}.delta", e => AtPart(e) with { Delta = text, Logprobs = untold })
            .ConfigureAwait(false);
    }

    private async Task OpenAsync(string item)
    {
        bool isMessage = item == "message";
        _open = new(item, $"{(isMessage ? "msg" : "rs")}_{Guid.NewGuid():N}")
        {
            Status = "in_progress",
            Role = isMessage ? "assistant" : null,
            Content = [],
            Summary = isMessage ? null : [],
        };
        _text.Clear();
        await SendAsync("response.output_item.added", e => e with
        {
            OutputIndex = _items.Count, Item = _open,
        }).ConfigureAwait(false);
        await SendAsync("response.content_part.added", e => AtPart(e) with { Part = Part("") }).ConfigureAwait(false);
    }

    private async Task CloseAsync()
    {
        if (_open is null)
        {
            return;
        }

        string text = _text.ToString();
        ResponseItem done = _open with { Status = "completed", Content = [Part(text)] };
        await SendAsync($"response.{PartOf(_open.Type)}.done", e => AtPart(e) with
        {
            Text = text, Logprobs = LogProbabilities,
        }).ConfigureAwait(false);
        await SendAsync("response.content_part.done", e => AtPart(e) with { Part = Part(text) }).ConfigureAwait(false);
        await SendAsync("response.output_item.done", e => e with { OutputIndex = _items.Count, Item = done })
            .ConfigureAwait(false);
        _items.Add(done);
        _open = null;
        _logProbabilities.Clear();
        _told = 0;
    }

    private async Task AddCallAsync(FunctionCallContent call)
    {
        await CloseAsync().ConfigureAwait(false);
        string arguments = ArgumentsJson.Of(call.Arguments);
        ResponseItem item = new("function_call", $"fc_{Guid.NewGuid():N}")
        {
            Status = "in_progress", CallId = call.CallId, Name = call.Name, Arguments = "",
        };
        ResponseItem done = item with { Status = "completed", Arguments = arguments };
        int index = _items.Count;
        ResponseEvent At(ResponseEvent e) => e with { OutputIndex = index, ItemId = item.Id };
        await SendAsync("response.output_item.added", e => e with { OutputIndex = index, Item = item })
            .ConfigureAwait(false);
        await SendAsync("response.function_call_arguments.delta", e => At(e) with { Delta = arguments })
            .ConfigureAwait(false);
        await SendAsync("response.function_call_arguments.done", e => At(e) with
        {
            Arguments = arguments, Name = call.Name,
        }).ConfigureAwait(false);
        await SendAsync("response.output_item.done", e => e with { OutputIndex = index, Item = done })
            .ConfigureAwait(false);
        _items.Add(done);
    }

    private ResponsePart Part(string text) => new(PartOf(_open!.Type), text)
    {
        Annotations = _open.Type == "message" ? [] : null,
        Logprobs = LogProbabilities,
    };

    private TokenLogProbability[]? LogProbabilities =>
        _open?.Type == "message" && _logProbabilities.Count > 0 ? [.. _logProbabilities] : null;

    private ResponseEvent AtPart(ResponseEvent e) =>
        e with { OutputIndex = _items.Count, ContentIndex = 0, ItemId = _open!.Id };

    private Task SendAsync(string type, Func<ResponseEvent, ResponseEvent> with) => send(with(new(type, _number++)));
}
