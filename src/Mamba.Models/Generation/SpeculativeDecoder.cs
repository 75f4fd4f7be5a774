using System.Runtime.CompilerServices;

namespace Mamba.Models.Generation;

/// <summary>
/// Generates the text of a model faster with the help of a small one: the small model drafts some tokens, and the large
/// one checks them all in one pass through its weights.
/// </summary>
/// <remarks>
/// The text is to the bit the one that <see cref="MambaLanguageModel.GenerateAsync"/> gives with the same options and
/// prompt, greedy or sampled: every token is chosen from the large model's own logits, and a draft only counts where it
/// equals the choice. States cannot be cut back, so the decoder keeps one after each drafted token and returns to the
/// last one that counts. The method is that of Leviathan et al., <see href="https://arxiv.org/abs/2211.17192"/>, with
/// this stricter acceptance.
/// <para>
/// It pays if the models read tokens at the speed of memory and the small one is often right. One text at a time. On a
/// GPU whose matrix products are those of cuBLAS, the last bits depend on the number of rows, so texts may part where
/// two tokens are equally likely but for rounding.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using MambaLanguageModel large = MambaLanguageModel.Load("mamba-2.8b", device);
/// using MambaLanguageModel small = MambaLanguageModel.Load("mamba-130m", device);
/// SpeculativeDecoder decoder = new(large, small);
/// await foreach (int token in decoder.GenerateAsync(prompt, new() { Sampling = SamplingOptions.Greedy }))
/// {
///     Console.Write($"{token} ");
/// }
///
/// Console.WriteLine($"{decoder.Accepted} of {decoder.Drafted} drafted tokens were right");
/// </code>
/// </example>
public sealed class SpeculativeDecoder
{
    private const int Most = 64;

    private readonly MambaLanguageModel _model;
    private readonly MambaLanguageModel _draft;
    private readonly int _length;

    /// <summary>Makes a decoder.</summary>
    /// <param name="model">The model whose text is generated.</param>
    /// <param name="draft">The model that drafts, with the same vocabulary; it may be on another device.</param>
    /// <param name="draftTokens">Number of tokens that are drafted at a time, 1 to 64.</param>
    /// <exception cref="ArgumentException">The vocabularies have different sizes.</exception>
    /// <exception cref="NotSupportedException">A model reads texts in both directions: it has no state.</exception>
    public SpeculativeDecoder(MambaLanguageModel model, MambaLanguageModel draft, int draftTokens = 4)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(draft);
        Setting.Require(draftTokens is >= 1 and <= Most, nameof(draftTokens), $"1 to {Most}", draftTokens);
        if (model.Config.VocabularySize != draft.Config.VocabularySize)
        {
            throw new ArgumentException(
                $"Expected a draft model with the vocabulary of the model, {model.Config.VocabularySize} tokens; " +
                $"found one with {draft.Config.VocabularySize}.",
                nameof(draft));
        }

        model.CreateState().Dispose(); // refuses models without a state
        draft.CreateState().Dispose();
        _model = model;
        _draft = draft;
        _length = draftTokens;
    }

    /// <summary>Number of tokens that the draft model has drafted.</summary>
    public long Drafted { get; private set; }

    /// <summary>Number of drafted tokens that were right.</summary>
    public long Accepted { get; private set; }

    /// <summary>Generates the tokens that follow a prompt.</summary>
    /// <param name="prompt">The tokens to read first, at least one, known to both models.</param>
    /// <param name="options">Sampling and limits; null for the defaults.</param>
    /// <param name="cancellation">Cancels generation; checked before every token.</param>
    /// <returns>The generated tokens, as a stream.</returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty or has an id outside a padded vocabulary, or an option is invalid.
    /// </exception>
    /// <exception cref="OperationCanceledException">Generation was cancelled.</exception>
    public IAsyncEnumerable<int> GenerateAsync(
        ReadOnlyMemory<int> prompt, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        GeneratedTokens.IdsOf(GenerateTokensAsync(prompt, options, cancellation), cancellation);

    /// <summary>
    /// Generates the tokens that follow a prompt, with <see cref="GenerationOptions.LogProbabilities"/>.
    /// </summary>
    /// <inheritdoc cref="GenerateAsync" path="/*[not(self::summary)]"/>
    public IAsyncEnumerable<GeneratedToken> GenerateTokensAsync(
        ReadOnlyMemory<int> prompt, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new();
        _model.RequirePrompt(prompt.Span, options);
        _draft.RequirePrompt(prompt.Span, options);
        return GenerateCheckedAsync(prompt, options, cancellation);
    }

    private async IAsyncEnumerable<GeneratedToken> GenerateCheckedAsync(
        ReadOnlyMemory<int> prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using ModelState state = _model.CreateState(), snapshots = _model.CreateState(_length + 1);
        using ModelState draftState = _draft.CreateState(), draftSnapshots = _draft.CreateState(_length);
        int width = _model.Config.PaddedVocabularySize;
        float[] logits = new float[width * (_length + 1)], draftLogits = new float[_draft.Config.PaddedVocabularySize];
        float[] first = new float[width];
        TokenChooser chooser = new(prompt.Span, options, _model.Config);
        if (chooser.Finish is not null)
        {
            yield break;
        }

        _model.ReadPrompt(prompt.Span, options.PrefillLength, state, isShared: false, first, cancellation);
        _draft.ReadPrompt(prompt.Span, options.PrefillLength, draftState, isShared: false, draftLogits, cancellation);
        if (chooser.Next(first) is not { } last)
        {
            yield break;
        }

        yield return last;
        int[] tokens = new int[_length + 1]; // the last token of the text, which no model has read, and the draft
        while (chooser.Finish is null)
        {
            cancellation.ThrowIfCancellationRequested();
            tokens[0] = last.Id;
            for (int i = 0; i < _length; i++)
            {
                _draft.Step([tokens[i]], draftState, draftLogits);
                draftSnapshots.CopySlot(i, draftState, 0);
                tokens[i + 1] = Likeliest(draftLogits);
            }

            _model.StepEach(tokens, state, snapshots, logits);
            Drafted += _length;
            int right = 0; // drafted tokens that are those of the text
            while (chooser.Finish is null && chooser.Next(logits.AsSpan(right * width, width)) is { } token)
            {
                last = token;
                bool isRight = right < _length && tokens[right + 1] == token.Id;
                right += isRight ? 1 : 0;
                Accepted += isRight ? 1 : 0;
                yield return token;
                cancellation.ThrowIfCancellationRequested();
                if (!isRight)
                {
                    break;
                }
            }

            if (chooser.Finish is null)
            {
                Return(state, snapshots, draftState, draftSnapshots, right, tokens[_length], draftLogits);
            }

            await Task.CompletedTask.ConfigureAwait(false);
        }
    }

    /// <summary>Goes back to the states after the drafted tokens that were right.</summary>
    private void Return(
        ModelState state,
        ModelState snapshots,
        ModelState draftState,
        ModelState draftSnapshots,
        int right,
        int lastDrafted,
        float[] draftLogits)
    {
        if (right < _length)
        {
            state.CopySlot(0, snapshots, right);
            draftState.CopySlot(0, draftSnapshots, right);
        }
        else
        {
            _draft.Step([lastDrafted], draftState, draftLogits); // the one token that it has not read
        }
    }

    private int Likeliest(ReadOnlySpan<float> logits) =>
        System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits[.._draft.Config.VocabularySize]);
}
