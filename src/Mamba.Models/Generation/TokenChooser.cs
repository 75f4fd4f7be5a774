using System.Runtime.InteropServices;

namespace Mamba.Models.Generation;

/// <summary>Chooses the tokens of one text, and knows when it ends.</summary>
internal sealed class TokenChooser
{
    private readonly Sampler _sampler;
    private readonly IReadOnlyCollection<int> _stopTokens;
    private readonly IReadOnlyCollection<IReadOnlyList<int>> _stopSequences;
    private readonly int _vocabularySize, _maxTokens, _longest;
    private readonly HashSet<int>? _seen;
    private readonly List<int> _distinct = [];
    private readonly List<int> _end = [];
    private int _count;

    /// <summary>Begins a text.</summary>
    /// <param name="prompt">The tokens before it.</param>
    /// <param name="options">Sampling and limits, valid.</param>
    /// <param name="config">The model's configuration.</param>
    public TokenChooser(ReadOnlySpan<int> prompt, GenerationOptions options, LanguageModelConfig config)
    {
        _vocabularySize = config.VocabularySize;
        _maxTokens = options.MaxTokens;
        _sampler = new(_vocabularySize, options.Sampling);
        _stopTokens = options.StopTokens ?? config.EndOfText;
        _stopSequences = options.StopSequences;
        _longest = _stopSequences.Select(sequence => sequence.Count).DefaultIfEmpty().Max();
        _seen = options.Sampling.RepetitionPenalty == 1 ? null : [];
        foreach (int token in prompt)
        {
            Note(token);
        }

        Finish = _maxTokens == 0 ? FinishReason.Length : null;
    }

    /// <summary>Why the text has ended; null: it goes on.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">The logits of the padded vocabulary.</param>
    /// <returns>The token; null: the text ended before it.</returns>
    /// <exception cref="ArgumentException">The logits are NaN, +∞, or all -∞.</exception>
    public int? Next(ReadOnlySpan<float> logits)
    {
        int token = _sampler.Next(logits[.._vocabularySize], CollectionsMarshal.AsSpan(_distinct));
        if (_stopTokens.Contains(token))
        {
            Finish = FinishReason.Stop;
            return null;
        }

        Note(token);
        if (_longest > 0)
        {
            _end.RemoveRange(0, _end.Count == _longest ? 1 : 0);
            _end.Add(token);
        }

        Finish = EndsWithStopSequence ? FinishReason.Stop : ++_count == _maxTokens ? FinishReason.Length : null;
        return token;
    }

    private bool EndsWithStopSequence => _stopSequences.Any(
        sequence => _end.Count >= sequence.Count && _end.TakeLast(sequence.Count).SequenceEqual(sequence));

    private void Note(int token)
    {
        // Padding tokens can be read but never sampled, so they need no penalty.
        if (token < _vocabularySize && _seen is not null && _seen.Add(token))
        {
            _distinct.Add(token);
        }
    }
}
