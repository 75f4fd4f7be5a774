using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mamba.Models.Serving;

/// <summary>
/// What an engine tells observers: an <see cref="ActivitySource"/> and a <see cref="Meter"/>, both named "Mamba". The
/// meter's scope is the engine.
/// </summary>
internal sealed class EngineTelemetry : IDisposable
{
    private const string Name = "Mamba";

    private static readonly ActivitySource Source = new(Name);

    private readonly Meter _meter;
    private readonly Histogram<double> _duration, _firstToken;

    /// <summary>Makes the instruments of an engine.</summary>
    public EngineTelemetry(MambaEngine engine)
    {
        _meter = new(new MeterOptions(Name) { Scope = engine });
        _duration = _meter.CreateHistogram<double>(
            "mamba.request.duration", "s", "Time from the request to its end.");
        _firstToken = _meter.CreateHistogram<double>(
            "mamba.request.time_to_first_token", "s", "Time from the request to its first token.");
        _meter.CreateObservableGauge(
            "mamba.requests.active", () => engine.Statistics.Active, "{request}", "Requests that have a slot.");
        _meter.CreateObservableGauge(
            "mamba.requests.waiting", () => engine.Statistics.Waiting, "{request}", "Requests that wait for a slot.");
        _meter.CreateObservableCounter(
            "mamba.requests.finished", () => engine.Statistics.Finished, "{request}", "Requests that have ended.");
        _meter.CreateObservableCounter(
            "mamba.tokens.prompt", () => engine.Statistics.PromptTokens, "{token}", "Tokens of prompts.");
        _meter.CreateObservableCounter(
            "mamba.tokens.cached", () => engine.Statistics.CachedTokens, "{token}",
            "Tokens of prompts whose state came from the prefix cache.");
        _meter.CreateObservableCounter(
            "mamba.tokens.generated", () => engine.Statistics.GeneratedTokens, "{token}", "Generated tokens.");
        _meter.CreateObservableCounter(
            "mamba.prefix_cache.hits", () => engine.Statistics.PrefixHits, "{request}",
            "Prompts that continued from the prefix cache.");
        _meter.CreateObservableGauge(
            "mamba.prefix_cache.size", () => engine.Statistics.PrefixCacheBytes, "By", "Memory of the prefix cache.");
    }

    /// <summary>Begins to observe a request. The caller's activity stays the current one.</summary>
    public static Activity? Begin()
    {
        Activity? caller = Activity.Current;
        Activity? activity = Source.StartActivity("mamba.generate");
        if (activity is not null)
        {
            Activity.Current = caller; // the request ends on another thread
        }

        return activity;
    }

    /// <summary>Tells the first token of a request.</summary>
    public void First(GenerationRequest request)
    {
        _firstToken.Record(request.Elapsed.TotalSeconds);
        request.Activity?.AddEvent(new("first token"));
    }

    /// <summary>Tells the end of a request.</summary>
    public void End(GenerationRequest request, Exception? failure)
    {
        string outcome = failure is OperationCanceledException ? "cancelled"
            : failure is not null ? "failed"
            : request.Chooser.Finish == Generation.FinishReason.Stop ? "stop"
            : "length";
        _duration.Record(request.Elapsed.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));
        if (request.Activity is not { } activity)
        {
            return;
        }

        activity.SetTag("gen_ai.usage.input_tokens", request.PromptTokens);
        activity.SetTag("gen_ai.usage.output_tokens", request.Text.Count - request.PromptTokens);
        activity.SetTag("mamba.cached_tokens", request.CachedTokens);
        activity.SetTag("mamba.outcome", outcome);
        if (outcome == "failed")
        {
            activity.SetStatus(ActivityStatusCode.Error, failure!.Message);
        }

        activity.Dispose();
    }

    public void Dispose() => _meter.Dispose();
}
