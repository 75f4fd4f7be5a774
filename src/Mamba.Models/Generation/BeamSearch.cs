using Mamba.Operations;

namespace Mamba.Models.Generation;

/// <summary>Beam search: follows the likeliest texts together, one token at a time.</summary>
/// <remarks>
/// In each step the likeliest continuations of all texts are kept, as many as there are beams. Texts that a stop token
/// has ended are kept by their scores; the search ends when no text that goes on can have a better score than the ones
/// that are kept. Of equally likely continuations that of the better text and the lower token comes first.
/// </remarks>
internal sealed class BeamSearch : IDisposable
{
    private readonly MambaLanguageModel _model;
    private readonly BeamSearchOptions _options;
    private readonly IReadOnlyCollection<int> _stopTokens;
    private readonly float[] _logits;
    private readonly List<BeamText> _ended = [];
    private List<Beam> _beams = [];
    private ModelState _state, _next;

    private BeamSearch(MambaLanguageModel model, BeamSearchOptions options)
    {
        _model = model;
        _options = options;
        _stopTokens = options.StopTokens ?? model.Config.EndOfText;
        _logits = new float[checked(options.Beams * model.Config.PaddedVocabularySize)];
        _state = model.CreateState(options.Beams);
        _next = model.CreateState(options.Beams);
    }

    /// <summary>Searches.</summary>
    public static IReadOnlyList<BeamText> Run(
        MambaLanguageModel model, ReadOnlySpan<int> prompt, BeamSearchOptions options, CancellationToken cancellation)
    {
        using BeamSearch search = new(model, options);
        search.Begin(prompt, cancellation);
        while (search.Extend())
        {
            cancellation.ThrowIfCancellationRequested();
            search.Step();
        }

        return [.. search._ended.OrderByDescending(text => text.Score).Take(options.Beams)];
    }

    public void Dispose()
    {
        _state.Dispose();
        _next.Dispose();
    }

    private void Begin(ReadOnlySpan<int> prompt, CancellationToken cancellation)
    {
        using ModelState read = _model.CreateState();
        float[] logits = new float[_model.Config.PaddedVocabularySize];
        _model.ReadPrompt(prompt, _options.PrefillLength, read, isShared: false, logits, cancellation);
        logits.CopyTo(_logits, 0);
        _state.CopySlot(0, read, 0);
        _beams = [new([], 0)];
    }

    /// <summary>Chooses the continuations that go on, and ends others; false: the search is over.</summary>
    private bool Extend()
    {
        int width = _model.Config.PaddedVocabularySize, vocabulary = _model.Config.VocabularySize;
        List<(int Parent, int Token, double Sum)> all = [];
        int[] ids = new int[vocabulary];
        for (int i = 0; i < _beams.Count; i++)
        {
            ReadOnlySpan<float> logits = _logits.AsSpan(i * width, vocabulary);
            double normalizer = LogProbabilities.Normalizer(logits);
            for (int id = 0; id < vocabulary; id++)
            {
                ids[id] = id;
            }

            // Of one text no more can be among the best than beams and stop tokens.
            Ranking ranking = new(logits, ids);
            for (int rank = 0; rank < Math.Min(_options.Beams + _stopTokens.Count, vocabulary); rank++)
            {
                double logProbability = logits[ranking[rank]] - normalizer;
                if (!double.IsNegativeInfinity(logProbability))
                {
                    all.Add((i, ranking[rank], _beams[i].Sum + logProbability));
                }
            }
        }

        List<(int Parent, Beam Beam)> going = [];
        foreach ((int parent, int token, double sum) in all.OrderByDescending(one => one.Sum))
        {
            List<int> tokens = _beams[parent].Tokens;
            if (_stopTokens.Contains(token))
            {
                End(tokens, sum, tokens.Count + 1, FinishReason.Stop);
            }
            else
            {
                going.Add((parent, new([.. tokens, token], sum)));
            }

            if (going.Count == _options.Beams)
            {
                break;
            }
        }

        if (going.Count == 0 || going[0].Beam.Tokens.Count == _options.MaxTokens)
        {
            going.ForEach(one => End(one.Beam.Tokens, one.Beam.Sum, _options.MaxTokens, FinishReason.Length));
            return false;
        }

        // A sum only falls, and at most is divided by the length of the longest text.
        double best = going.Max(one => ScoreOf(one.Beam.Sum, _options.MaxTokens));
        if (_ended.Count >= _options.Beams
            && _ended.OrderByDescending(text => text.Score).ElementAt(_options.Beams - 1).Score >= best)
        {
            return false;
        }

        for (int i = 0; i < going.Count; i++)
        {
            _next.CopySlot(i, _state, going[i].Parent);
        }

        (_state, _next) = (_next, _state);
        _beams = going.ConvertAll(one => one.Beam);
        return true;
    }

    private void Step()
    {
        _model.Step(
            [.. _beams.Select(beam => beam.Tokens[^1])],
            _state,
            _logits,
            StateSlots.Of([.. Enumerable.Range(0, _beams.Count)]));
    }

    private void End(List<int> tokens, double sum, int length, FinishReason finish) =>
        _ended.Add(new(tokens, sum, ScoreOf(sum, length), finish));

    private double ScoreOf(double sum, int length) => sum / Math.Pow(length, _options.LengthPenalty);

    private sealed record Beam(List<int> Tokens, double Sum);
}
