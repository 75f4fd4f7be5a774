using System.Diagnostics;
using System.Threading.Channels;
using Mamba.Models.Generation;

namespace Mamba.Models.Serving;

/// <summary>A text that a <see cref="MambaEngine"/> generates. Its tokens are enumerated as they come.</summary>
/// <remarks>
/// Whoever does not enumerate the tokens stops nobody else: they are kept until then. Cancel the token that was given
/// to <see cref="MambaEngine.Submit"/> to end the request early; leaving the enumeration does not end it.
/// </remarks>
/// <example>
/// <code>
/// GenerationRequest request = engine.Submit(prompt, new() { MaxTokens = 100 });
/// await foreach (int token in request)
/// {
///     Console.Write($"{token} ");
/// }
///
/// Console.WriteLine($"{request.Finish}, {request.CachedTokens} of {request.PromptTokens} tokens from the cache");
/// </code>
/// </example>
public sealed class GenerationRequest : IAsyncEnumerable<int>
{
    private readonly Channel<GeneratedToken> _tokens = Channel.CreateUnbounded<GeneratedToken>(
        new() { SingleReader = false, SingleWriter = true });

    private readonly long _begun = Stopwatch.GetTimestamp();

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal GenerationRequest(
        ReadOnlyMemory<int> prompt,
        GenerationOptions options,
        LanguageModelConfig config,
        Conversation? conversation,
        CancellationToken cancellation)
    {
        Conversation = conversation;
        Text = [.. prompt.Span];
        PromptTokens = prompt.Length;
        Chooser = new(prompt.Span, options, config);
        Cancellation = cancellation;
    }

    /// <summary>Number of tokens of the prompt.</summary>
    public int PromptTokens { get; }

    /// <summary>
    /// Tokens of the prompt whose state came from the prefix cache; known when the first token is there.
    /// </summary>
    public int CachedTokens { get; internal set; }

    /// <summary>Why the text ended; null until then, and if the request failed or was cancelled.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>
    /// Completes when the request has ended, whether its tokens have been read or not: with success, with the
    /// exception, or cancelled.
    /// </summary>
    public Task Completion => _ended.Task;

    /// <summary>The conversation whose state the request begins with and leaves behind; null: none.</summary>
    internal Conversation? Conversation { get; }

    /// <summary>The prompt and the generated tokens.</summary>
    internal List<int> Text { get; }

    /// <summary>Number of tokens that the state has read.</summary>
    internal int Read { get; set; }

    /// <summary>Number of tokens after which the prefix cache keeps the state: prompts have differed there.</summary>
    internal int Fork { get; set; }

    /// <summary>Whether states after its prompt may be kept for others.</summary>
    internal bool CanBeKept { get; set; } = true;

    /// <summary>The request's slot in the pool; -1: it has none yet.</summary>
    internal int Slot { get; set; } = -1;

    /// <summary>The state while the prompt is read.</summary>
    internal ModelState? State { get; set; }

    internal TokenChooser Chooser { get; }

    /// <summary>The request in a trace; null: nobody listens.</summary>
    internal Activity? Activity { get; } = EngineTelemetry.Begin();

    /// <summary>Time since the request.</summary>
    internal TimeSpan Elapsed => Stopwatch.GetElapsedTime(_begun);

    internal CancellationToken Cancellation { get; }

    /// <summary>Whether all of the prompt has been read.</summary>
    internal bool IsGenerating => Read >= PromptTokens;

    /// <summary>Enumerates the generated tokens, once, as they come.</summary>
    /// <param name="cancellationToken">Cancels waiting, not the request.</param>
    /// <returns>The tokens.</returns>
    /// <exception cref="OperationCanceledException">The request or the waiting was cancelled.</exception>
    public IAsyncEnumerator<int> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        GeneratedTokens.IdsOf(ReadTokensAsync(cancellationToken), cancellationToken)
            .GetAsyncEnumerator(cancellationToken);

    /// <summary>
    /// Enumerates the generated tokens with <see cref="GenerationOptions.LogProbabilities"/>, once, as they come,
    /// instead of their ids alone.
    /// </summary>
    /// <param name="cancellation">Cancels waiting, not the request.</param>
    /// <returns>The tokens.</returns>
    /// <exception cref="OperationCanceledException">The request or the waiting was cancelled.</exception>
    public IAsyncEnumerable<GeneratedToken> ReadTokensAsync(CancellationToken cancellation = default) =>
        _tokens.Reader.ReadAllAsync(cancellation);

    /// <summary>Waits for all tokens that were not enumerated yet.</summary>
    /// <param name="cancellation">Cancels waiting, not the request.</param>
    /// <returns>The tokens.</returns>
    /// <exception cref="OperationCanceledException">The request or the waiting was cancelled.</exception>
    public async Task<IReadOnlyList<int>> ReadAllAsync(CancellationToken cancellation = default)
    {
        List<int> tokens = [];
        await foreach (GeneratedToken token in ReadTokensAsync(cancellation).ConfigureAwait(false))
        {
            tokens.Add(token.Id);
        }

        return tokens;
    }

    /// <summary>Chooses the next token from the logits after <see cref="Text"/>, and passes it on.</summary>
    internal void Choose(ReadOnlySpan<float> logits)
    {
        if (Chooser.Finish is null)
        {
            PassOn(Chooser.Next(logits));
        }
    }

    /// <summary>Takes the likeliest token after <see cref="Text"/>, and passes it on.</summary>
    internal void Choose(Likeliest likeliest)
    {
        if (Chooser.Finish is null)
        {
            PassOn(Chooser.Next(likeliest));
        }
    }

    private void PassOn(GeneratedToken? chosen)
    {
        if (chosen is { } token)
        {
            Text.Add(token.Id);
            _tokens.Writer.TryWrite(token);
        }
    }

    /// <summary>Ends the request, with an exception if it failed.</summary>
    internal void End(Exception? failure = null)
    {
        Finish = failure is null ? Chooser.Finish : null;
        _tokens.Writer.TryComplete(failure);
        if (failure is OperationCanceledException cancelled)
        {
            _ended.TrySetCanceled(cancelled.CancellationToken);
        }
        else if (failure is not null)
        {
            _ended.TrySetException(failure);
            _ = _ended.Task.Exception; // whoever reads the tokens gets it
        }
        else
        {
            _ended.TrySetResult();
        }
    }
}
