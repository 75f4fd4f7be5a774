using System.Runtime.CompilerServices;
using Mamba.Models.Generation;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    /// <summary>Generates the tokens that follow a prompt, one at a time.</summary>
    /// <param name="prompt">The tokens to read first, at least one.</param>
    /// <param name="options">Sampling and limits; null for the defaults.</param>
    /// <param name="state">
    /// The state before the prompt, of one text; it is updated to the last token that was returned. Null: the text
    /// begins with the prompt.
    /// </param>
    /// <param name="cancellation">
    /// Cancels generation; checked before every token, and between layers while the prompt is read.
    /// </param>
    /// <returns>The generated tokens, as a stream.</returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty or has an id outside the padded vocabulary, or an option is invalid.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// Generation was cancelled. If it was before the first token, the state is unchanged.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The state was changed between two tokens, for example by another generation that is enumerated at the same time.
    /// The text cannot be continued; the state keeps that change.
    /// </exception>
    /// <remarks>
    /// Tokens are computed on the thread that requests the next one. Between two tokens the model may be used for other
    /// work, and on a CPU also by other threads at any time. The state may not. Tapes do not record generation, so it
    /// has no gradients.
    /// </remarks>
    public IAsyncEnumerable<int> GenerateAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions? options = null,
        ModelState? state = null,
        CancellationToken cancellation = default) =>
        GeneratedTokens.IdsOf(GenerateTokensAsync(prompt, options, state, cancellation), cancellation);

    /// <summary>
    /// Generates the tokens that follow a prompt, one at a time, with
    /// <see cref="GenerationOptions.LogProbabilities"/>.
    /// </summary>
    /// <inheritdoc cref="GenerateAsync" path="/*[not(self::summary)]"/>
    public IAsyncEnumerable<GeneratedToken> GenerateTokensAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions? options = null,
        ModelState? state = null,
        CancellationToken cancellation = default)
    {
        options ??= new();
        RequirePrompt(prompt.Span, options);
        if (state is { Batch: not 1 })
        {
            throw new ArgumentException($"Expected a state of one text; found one of {state.Batch}.", nameof(state));
        }

        return GenerateCheckedAsync(prompt, options, state, cancellation);
    }

    /// <summary>Finds likely texts that follow a prompt by beam search.</summary>
    /// <param name="prompt">The tokens to read first, at least one.</param>
    /// <param name="options">Number of beams and limits; null for the defaults.</param>
    /// <param name="cancellation">Cancels the search; checked before every token.</param>
    /// <returns>The texts, the best score first; at most as many as there are beams.</returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty or has an id outside the padded vocabulary, or an option is invalid.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The model reads texts in both directions, or a mixer cannot store texts of different lengths.
    /// </exception>
    /// <exception cref="OperationCanceledException">The search was cancelled.</exception>
    /// <example>
    /// <code>
    /// foreach (BeamText text in model.BeamSearch(prompt, new() { Beams = 8, MaxTokens = 40 }))
    /// {
    ///     Console.WriteLine($"{text.Score:0.000}: {tokenizer.Decode([.. text.Tokens])}");
    /// }
    /// </code>
    /// </example>
    public IReadOnlyList<BeamText> BeamSearch(
        ReadOnlySpan<int> prompt, BeamSearchOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new();
        options.Validate();
        RequirePrompt(prompt, new() { PrefillLength = options.PrefillLength });
        return Generation.BeamSearch.Run(this, prompt, options, cancellation);
    }

    /// <summary>Throws unless generation from this prompt with these options can begin.</summary>
    internal void RequirePrompt(ReadOnlySpan<int> prompt, GenerationOptions options)
    {
        options.Validate();
        options.Sampling.RequireTokensBelow(Config.VocabularySize);
        if (prompt.IsEmpty)
        {
            throw new ArgumentException("Expected a prompt of at least one token; found none.", nameof(prompt));
        }

        RequireIds(prompt, nameof(prompt));
    }

    private async IAsyncEnumerable<GeneratedToken> GenerateCheckedAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions options,
        ModelState? state,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using GenerationState? own = state is null ? new(CreateState()) : null;
        ModelState current = state ?? own!.State;
        TokenChooser chooser = new(prompt.Span, options, Config);
        float[] logits = new float[Config.PaddedVocabularySize];

        ReadPrompt(prompt.Span, options.PrefillLength, current, isShared: state is not null, logits, cancellation);
        long version = current.Version;
        Likeliest[] likeliest = [];
        while (chooser.Finish is null)
        {
            cancellation.ThrowIfCancellationRequested();
            RequireUnchanged(current, version);
            if ((likeliest is [{ } best] ? chooser.Next(best) : chooser.Next(logits)) is not { } token)
            {
                yield break;
            }

            // Step before returning the token, so that the state includes it wherever the caller stops.
            if (chooser.IsGreedy)
            {
                likeliest = likeliest is [] ? new Likeliest[1] : likeliest;
                Step([token.Id], current, likeliest);
            }
            else
            {
                Step([token.Id], current, logits);
            }

            version = current.Version;
            yield return token;
            await Task.CompletedTask.ConfigureAwait(false);
        }
    }

    /// <summary>Reads a prompt in pieces. If that fails, a shared state is unchanged.</summary>
    internal void ReadPrompt(
        ReadOnlySpan<int> prompt,
        int pieceLength,
        ModelState state,
        bool isShared,
        float[] logits,
        CancellationToken cancellation)
    {
        using ModelState? copy = isShared && prompt.Length > pieceLength ? state.Clone() : null;
        while (!prompt.IsEmpty)
        {
            int length = Math.Min(pieceLength, prompt.Length);
            Prefill(prompt[..length], copy ?? state, logits, cancellation);
            prompt = prompt[length..];
        }

        if (copy is not null)
        {
            state.CopyFrom(copy);
        }
    }

    internal static void RequireUnchanged(ModelState state, long version)
    {
        if (state.Version != version)
        {
            throw new InvalidOperationException(
                "The state was changed since this generation returned its last token: expected one generation at a " +
                "time over a state; found another change. Clone the state for a second generation.");
        }
    }

    /// <summary>
    /// The state of a generation. It is freed even if the caller drops the generator without disposing it.
    /// </summary>
    private sealed class GenerationState(ModelState state) : IDisposable
    {
        ~GenerationState() => state.Abandon();

        public ModelState State => state;

        public void Dispose()
        {
            state.Dispose();
            GC.SuppressFinalize(this);
        }
    }
}
