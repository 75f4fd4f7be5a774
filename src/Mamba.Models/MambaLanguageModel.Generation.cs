using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        CancellationToken cancellation = default)
    {
        options ??= new();
        options.Validate();
        if (prompt.IsEmpty)
        {
            throw new ArgumentException("Expected a prompt of at least one token; found none.", nameof(prompt));
        }

        if (state is { Batch: not 1 })
        {
            throw new ArgumentException($"Expected a state of one text; found one of {state.Batch}.", nameof(state));
        }

        RequireIds(prompt.Span, nameof(prompt));
        return GenerateTokensAsync(prompt, options, state, cancellation);
    }

    private async IAsyncEnumerable<int> GenerateTokensAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions options,
        ModelState? state,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using GenerationState? own = state is null ? new(CreateState()) : null;
        ModelState current = state ?? own!.State;
        Sampler sampler = new(Config.VocabularySize, options.Sampling);
        PreviousTokens previous = new(prompt.Span, options, Config.VocabularySize);
        float[] logits = new float[Config.PaddedVocabularySize];
        IReadOnlyCollection<int> stopTokens = options.StopTokens ?? Config.EndOfText;

        ReadPrompt(prompt.Span, options.PrefillLength, current, isShared: state is not null, logits, cancellation);
        long version = current.Version;
        for (int count = 0; count < options.MaxTokens; count++)
        {
            cancellation.ThrowIfCancellationRequested();
            RequireUnchanged(current, version);
            int token = sampler.Next(logits.AsSpan(0, Config.VocabularySize), previous.Distinct);
            if (stopTokens.Contains(token))
            {
                yield break;
            }

            // Step before returning the token, so that the state includes it wherever the caller stops.
            Step([token], current, logits);
            version = current.Version;
            previous.Add(token);
            yield return token;
            if (previous.EndsWithStopSequence)
            {
                yield break;
            }

            await Task.CompletedTask.ConfigureAwait(false);
        }
    }

    /// <summary>Reads a prompt in pieces. If that fails, a shared state is unchanged.</summary>
    private void ReadPrompt(
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

    private static void RequireUnchanged(ModelState state, long version)
    {
        if (state.Version != version)
        {
            throw new InvalidOperationException(
                "The state was changed since this generation returned its last token: expected one generation at a " +
                "time over a state; found another change. Clone the state for a second generation.");
        }
    }

    /// <summary>The previous tokens that sampling and stop sequences need, in bounded memory.</summary>
    private sealed class PreviousTokens
    {
        private readonly IReadOnlyCollection<IReadOnlyList<int>> _stopSequences;
        private readonly HashSet<int>? _seen;
        private readonly List<int> _distinct = [];
        private readonly List<int> _end = [];
        private readonly int _longest;
        private readonly int _vocabularySize;

        public PreviousTokens(ReadOnlySpan<int> prompt, GenerationOptions options, int vocabularySize)
        {
            _vocabularySize = vocabularySize;
            _stopSequences = options.StopSequences;
            _longest = _stopSequences.Select(sequence => sequence.Count).DefaultIfEmpty().Max();
            _seen = options.Sampling.RepetitionPenalty == 1 ? null : [];
            foreach (int token in prompt)
            {
                Note(token);
            }
        }

        /// <summary>Each distinct token if repetition is penalised; otherwise empty.</summary>
        public ReadOnlySpan<int> Distinct => CollectionsMarshal.AsSpan(_distinct);

        /// <summary>Whether the tokens after the prompt end with a stop sequence.</summary>
        public bool EndsWithStopSequence => _stopSequences.Any(
            sequence => _end.Count >= sequence.Count && _end.TakeLast(sequence.Count).SequenceEqual(sequence));

        /// <summary>Adds a generated token.</summary>
        public void Add(int token)
        {
            Note(token);
            if (_longest > 0)
            {
                _end.RemoveRange(0, _end.Count == _longest ? 1 : 0);
                _end.Add(token);
            }
        }

        private void Note(int token)
        {
            // Padding tokens can be read but never sampled, so they need no penalty.
            if (token < _vocabularySize && _seen is not null && _seen.Add(token))
            {
                _distinct.Add(token);
            }
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
