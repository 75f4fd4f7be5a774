using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Http;

/// <summary>
/// Server-sent events, each of which is sent at once. A client that does not read is disconnected after a time.
/// </summary>
internal sealed class EventStream
{
    private readonly HttpContext _context;
    private readonly TimeSpan _timeout;
    private readonly PipeWriter _body;

    /// <summary>Begins the answer: from here on, errors are events.</summary>
    public EventStream(HttpContext context, TimeSpan timeout)
    {
        _context = context;
        _timeout = timeout;
        _body = context.Response.BodyWriter;
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would collect the events
    }

    /// <summary>Sends the headers before there is an event.</summary>
    public Task StartAsync(CancellationToken cancellation) => FlushAsync(cancellation);

    /// <summary>Sends an event.</summary>
    /// <param name="value">What is sent as JSON.</param>
    /// <param name="type">Its type.</param>
    /// <param name="name">The event's name; null: none.</param>
    /// <param name="cancellation">Cancels sending.</param>
    public Task SendAsync<T>(T value, JsonTypeInfo<T> type, string? name, CancellationToken cancellation)
    {
        if (name is not null)
        {
            _body.Write(Encoding.UTF8.GetBytes($"event: {name}\n"));
        }

        _body.Write("data: "u8);
        WireJson.Write(_body, value, type);
        _body.Write("\n\n"u8);
        return FlushAsync(cancellation);
    }

    /// <summary>Sends what ends a stream of chat or text completions.</summary>
    public Task SendDoneAsync(CancellationToken cancellation)
    {
        _body.Write("data: [DONE]\n\n"u8);
        return FlushAsync(cancellation);
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        ValueTask<FlushResult> flush = _body.FlushAsync(cancellation);
        try
        {
            _ = flush.IsCompletedSuccessfully
                ? flush.Result
                : await flush.AsTask().WaitAsync(_timeout, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _context.Abort();
            throw new OperationCanceledException("The client does not read its answer.");
        }
    }
}
