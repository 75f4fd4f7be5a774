using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mamba.Models.Generation;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    /// <summary>Continues a text, one token after another.</summary>
    /// <param name="prompt">The tokens to read first, at least one.</param>
    /// <param name="options">How to continue; null: greedily, with the defaults.</param>
    /// <param name="state">
    /// What came before the prompt, of one text; read, and left as it is after the last token that was returned.
    /// Null: the text begins with the prompt.
    /// </param>
    /// <param name="cancellation">Ends the text; looked at before every token.</param>
    /// <returns>The tokens, as they are computed.</returns>
    /// <exception cref="ArgumentException">The prompt is empty, or an option makes no sense.</exception>
    /// <exception cref="OperationCanceledException">The text was cancelled.</exception>
    /// <remarks>The work is done on the calling thread, while the caller waits for the next token.</remarks>
    public IAsyncEnumerable<int> GenerateAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions? options = null,
        ModelState? state = null,
        CancellationToken cancellation = default)
    {
        options ??= new();
        options.Validate();
        ArgumentOutOfRangeException.ThrowIfZero(prompt.Length, nameof(prompt));
        ArgumentOutOfRangeException.ThrowIfNotEqual(state?.Batch ?? 1, 1, nameof(state));
        return GenerateTokensAsync(prompt, options, state, cancellation);
    }

    private async IAsyncEnumerable<int> GenerateTokensAsync(
        ReadOnlyMemory<int> prompt,
        GenerationOptions options,
        ModelState? state,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using ModelState? own = state is null ? CreateState() : null;
        ModelState current = state ?? own!;
        Sampler sampler = new(Config.VocabularySize, options.Sampling);
        float[] logits = new float[Config.PaddedVocabularySize];
        List<int> text = [.. prompt.Span];
        IReadOnlyCollection<int> stopTokens = options.StopTokens ?? (Config.EndOfText is { } end ? [end] : []);

        for (int start = 0; start < prompt.Length; start += options.PrefillLength)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = Math.Min(options.PrefillLength, prompt.Length - start);
            Prefill(prompt.Span.Slice(start, length), current, logits);
        }

        for (int count = 0; count < options.MaxTokens; count++)
        {
            cancellation.ThrowIfCancellationRequested();
            int token = sampler.Next(logits.AsSpan(0, Config.VocabularySize), CollectionsMarshal.AsSpan(text));
            if (stopTokens.Contains(token))
            {
                yield break;
            }

            // Read before it is returned, so that the state is whole wherever the caller stops.
            Step([token], current, logits);
            text.Add(token);
            yield return token;
            if (options.StopSequences.Any(sequence => EndsWith(text, prompt.Length, sequence)))
            {
                yield break;
            }

            await Task.CompletedTask.ConfigureAwait(false);
        }
    }

    /// <summary>Whether what stands in a text from <paramref name="start"/> on ends with a sequence.</summary>
    private static bool EndsWith(List<int> text, int start, IReadOnlyList<int> sequence)
    {
        bool ends = text.Count - start >= sequence.Count;
        for (int i = 0; ends && i < sequence.Count; i++)
        {
            ends = text[text.Count - sequence.Count + i] == sequence[i];
        }

        return ends;
    }
}
