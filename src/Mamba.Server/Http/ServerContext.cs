using System.Diagnostics;
using Mamba.Server.Wire;
using Mamba.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mamba.Server.Http;

/// <summary>What every endpoint needs, and how each of them answers errors.</summary>
/// <param name="served">The model.</param>
/// <param name="lifetime">Says when the program stops; null: nobody does.</param>
/// <param name="logger">Gets what fails inside the server.</param>
internal sealed partial class ServerContext(
    ServedModel served, IHostApplicationLifetime? lifetime, ILogger<ServedModel> logger)
{
    private readonly ApiKeys _keys = new(served.Options.ApiKeys);

    public ServedModel Served => served;

    public MambaServerOptions Options => served.Options;

    public bool IsStopping => lifetime?.ApplicationStopping.IsCancellationRequested == true;

    /// <summary>Throws unless a request means the model that is served.</summary>
    /// <exception cref="ApiException">It means another one.</exception>
    public void RequireModel(string? model)
    {
        if (model is not null && model != Options.ModelId)
        {
            throw ApiException.NotFound(
                $"model: expected \"{Options.ModelId}\", which is served; found \"{model}\".", "model",
                "model_not_found");
        }
    }

    /// <summary>What answers conversations.</summary>
    /// <exception cref="ApiException">The model has no chat template.</exception>
    public MambaChatClient RequireChat() => served.Chat ?? throw new ApiException(
        StatusCodes.Status400BadRequest,
        "This model has no chat template, so it continues texts only: use /v1/completions.", code: "no_chat_template");

    /// <summary>Tells the trace who asks.</summary>
    public static void Tag(string? user) => Activity.Current?.SetTag("enduser.id", user);

    /// <summary>An endpoint with keys, time and errors.</summary>
    /// <param name="handle">Answers a request, until the token that it is given is cancelled.</param>
    public RequestDelegate Guard(Func<HttpContext, CancellationTokenSource, Task> handle) => async context =>
    {
        using CancellationTokenSource ending =
            CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            _keys.Require(context);
            ObjectDisposedException.ThrowIf(IsStopping, served);
            ending.CancelAfter(Options.RequestTimeout);
            await handle(context, ending).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away: nobody reads an answer.
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception).ConfigureAwait(false);
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false); // frees the slots
        }
    };

    /// <summary>
    /// Answers with a stream of events, as chat and text completions end it. An error is the last event.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="write">Sends the events before the last one.</param>
    /// <param name="cancellation">Cancels sending.</param>
    public async Task StreamAsync(
        HttpContext context, Func<EventStream, Task> write, CancellationToken cancellation)
    {
        EventStream events = new(context, Options.WriteTimeout);
        try
        {
            await write(events).ConfigureAwait(false);
            await events.SendDoneAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            await events.SendAsync(Describe(ErrorOf(exception)), WireJson.Default.WireError, null, default)
                .ConfigureAwait(false);
        }
    }

    /// <summary>How an exception is told; unexpected ones are logged.</summary>
    public ApiException ErrorOf(Exception exception)
    {
        ApiException error = ApiException.Of(exception);
        if (error.Status == StatusCodes.Status500InternalServerError)
        {
            LogFailure(exception);
        }

        return error;
    }

    /// <summary>An error as JSON.</summary>
    public static WireError Describe(ApiException error) =>
        new(new(error.Message, error.Type) { Param = error.Param, Code = error.Code });

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        ApiException error = ErrorOf(exception);
        if (context.Response.HasStarted)
        {
            context.Abort(); // an answer that is cut must not look whole
            return;
        }

        context.Response.StatusCode = error.Status;
        if (error.Status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
        {
            int seconds = (int)Math.Ceiling(Options.RetryAfter.TotalSeconds);
            context.Response.Headers.RetryAfter = FormattableString.Invariant($"{seconds}");
        }

        await JsonBody.WriteAsync(context, Describe(error), WireJson.Default.WireError).ConfigureAwait(false);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed.")]
    private partial void LogFailure(Exception exception);
}
