using System.Runtime.InteropServices;

namespace Mamba.Models.Generation;

/// <summary>Chooses the tokens of one text, and knows when it ends.</summary>
internal sealed class TokenChooser
{
    private readonly Sampler _sampler;
    private readonly IReadOnlyCollection<int> _stopTokens;
    private readonly IReadOnlyCollection<IReadOnlyList<int>> _stopSequences;
    private readonly int _vocabularySize, _maxTokens, _longest;
    private readonly Func<int, bool>? _endsWith;
    private readonly TokenConstraintState? _constraint;
    private readonly float[] _allowed;
    private readonly LogProbabilities? _probabilities;
    private readonly Dictionary<int, int>? _places; // of the ids in _distinct
    private readonly List<int> _distinct = [], _counts = [];
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
        _endsWith = options.StopRule?.Invoke();
        _constraint = options.Constraint?.Start(_stopTokens);
        _allowed = new float[_constraint is null ? 0 : _vocabularySize];
        _probabilities = options.LogProbabilities is { } count ? new(_vocabularySize, count) : null;
        SamplingOptions sampling = options.Sampling;
        bool hasRepetition = sampling.RepetitionPenalty != 1;
        _places = hasRepetition || sampling.FrequencyPenalty != 0 || sampling.PresencePenalty != 0 ? [] : null;
        IsGreedy = sampling is { Temperature: 0, LogitBias: null or { Count: 0 } }
            && _places is null && _constraint is null && _probabilities is null;
        foreach (int token in hasRepetition ? prompt : [])
        {
            Note(token, 0);
        }

        Finish = _maxTokens == 0 ? FinishReason.Length : null;
    }

    /// <summary>Why the text has ended; null: it goes on.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Whether the likeliest token is chosen always, so that the other logits are not needed.</summary>
    public bool IsGreedy { get; }

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">The logits of the padded vocabulary.</param>
    /// <returns>The token; null: the text ended before it.</returns>
    /// <exception cref="ArgumentException">The logits are NaN, +∞, or all -∞.</exception>
    public GeneratedToken? Next(ReadOnlySpan<float> logits)
    {
        logits = logits[.._vocabularySize];
        return Take(
            _sampler.Next(Allowed(logits), CollectionsMarshal.AsSpan(_distinct), CollectionsMarshal.AsSpan(_counts)),
            logits);
    }

    /// <summary>Chooses the likeliest token, if this is greedy.</summary>
    /// <param name="likeliest">The likeliest token of the vocabulary.</param>
    /// <returns>The token; null: the text ended before it.</returns>
    /// <exception cref="ArgumentException">The logit is NaN or infinite.</exception>
    public GeneratedToken? Next(Likeliest likeliest) => Take(likeliest.Checked(), default);

    private GeneratedToken? Take(int token, ReadOnlySpan<float> logits)
    {
        if (_stopTokens.Contains(token))
        {
            Finish = FinishReason.Stop;
            return null;
        }

        Note(token, 1);
        _constraint?.Advance(token);
        if (_longest > 0)
        {
            _end.RemoveRange(0, _end.Count == _longest ? 1 : 0);
            _end.Add(token);
        }

        _count++;
        bool isEnd = _endsWith?.Invoke(token) == true | _constraint is { IsComplete: true } | EndsWithStopSequence;
        Finish = isEnd ? FinishReason.Stop
            : _count == _maxTokens ? FinishReason.Length
            : null;
        return _probabilities?.Of(logits, token) ?? new(token, null, []);
    }

    private ReadOnlySpan<float> Allowed(ReadOnlySpan<float> logits)
    {
        if (_constraint is null)
        {
            return logits;
        }

        logits.CopyTo(_allowed);
        _constraint.Mask(_allowed);
        return _allowed;
    }

    private bool EndsWithStopSequence => _stopSequences.Any(
        sequence => _end.Count >= sequence.Count && _end.TakeLast(sequence.Count).SequenceEqual(sequence));

    private void Note(int token, int count)
    {
        // Padding tokens can be read but never sampled, so they need no penalty.
        if (_places is null || token >= _vocabularySize)
        {
            return;
        }

        if (_places.TryAdd(token, _distinct.Count))
        {
            _distinct.Add(token);
            _counts.Add(0);
        }

        _counts[_places[token]] += count;
    }
}
