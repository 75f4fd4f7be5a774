using System.Numerics.Tensors;

namespace Mamba.Models.Generation;

/// <summary>Chooses tokens from logits; one sampler for each sequence that is generated.</summary>
/// <remarks>
/// Among equal logits the lowest id comes first, in every filter: top-k keeps k tokens even if the next one is as
/// likely as the last (Hugging Face then keeps both). Nothing is allocated after construction.
/// </remarks>
/// <example>
/// <code>
/// float[] logits = new float[model.Config.PaddedVocabularySize];
/// using ModelState state = model.CreateState();
/// model.Prefill(prompt, state, logits);
/// Sampler sampler = new(model.Config.VocabularySize, new() { Temperature = 0.8 });
/// int next = sampler.Next(logits.AsSpan(0, model.Config.VocabularySize));
/// model.Step([next], state, logits);
/// </code>
/// </example>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly float _temperature;
    private readonly int _topK;
    private readonly float[] _logits;
    private readonly float[] _weights;
    private readonly int[] _ids;
    private SplitMix64 _random;

    /// <summary>Makes a sampler.</summary>
    /// <param name="vocabulary">Number of logits.</param>
    /// <param name="options">The options of sampling.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty, or an option is out of range.</exception>
    public Sampler(int vocabulary, SamplingOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _temperature = (float)options.Temperature;
        _topK = options.TopK == 0 ? vocabulary : Math.Min(options.TopK, vocabulary);
        _logits = new float[vocabulary];
        _weights = new float[vocabulary];
        _ids = new int[vocabulary];
        _random = new(options.Seed);
    }

    /// <summary>The state of the random source; save it with a sequence and set it again to continue.</summary>
    public ulong RandomState
    {
        get => _random.State;
        set => _random = new(value);
    }

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">Shape [vocabulary]; -∞ forbids a token.</param>
    /// <param name="previous">Ids that the repetition penalty applies to, in any order, with any repetitions.</param>
    /// <returns>The token's id.</returns>
    /// <exception cref="ArgumentException">The number of logits is wrong, or they are NaN, +∞, or all -∞.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An id in <paramref name="previous"/> has no logit.</exception>
    public int Next(ReadOnlySpan<float> logits, ReadOnlySpan<int> previous = default)
    {
        if (logits.Length != _logits.Length)
        {
            throw new ArgumentException($"Expected {_logits.Length} logits; found {logits.Length}.", nameof(logits));
        }

        TensorPrimitives.Add(logits, 0f, _logits); // -0 becomes 0, so that both compare equal everywhere
        Penalise(logits, previous);
        int likeliest = Likeliest();
        if (_temperature == 0)
        {
            return likeliest;
        }

        SetWeights(_logits[likeliest]);
        return _topK < _logits.Length || _options.TopP < 1 ? DrawFromLikeliest() : DrawFromAll();
    }

    /// <summary>Applies the repetition penalty, once for each distinct id.</summary>
    private void Penalise(ReadOnlySpan<float> logits, ReadOnlySpan<int> previous)
    {
        float penalty = (float)_options.RepetitionPenalty;
        foreach (int id in previous)
        {
            if ((uint)id >= (uint)logits.Length)
            {
                throw new ArgumentOutOfRangeException(nameof(previous), id, $"Expected ids below {logits.Length}.");
            }

            _logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
        }
    }

    /// <summary>Finds the id of the largest logit; of equal ones, the first.</summary>
    private int Likeliest()
    {
        int likeliest = TensorPrimitives.IndexOfMax<float>(_logits); // or the first NaN
        float largest = _logits[likeliest];
        return float.IsFinite(largest)
            ? likeliest
            : throw new ArgumentException(largest == float.NegativeInfinity
                ? "Every logit is -∞: there is no token to choose."
                : $"Logit {likeliest} is {largest}: the model's numbers overflowed.");
    }

    /// <summary>Computes unnormalised probabilities: <c>exp((logit - largest)/temperature)</c>.</summary>
    private void SetWeights(float largest)
    {
        // Subtracts the maximum before the division, so that no temperature, however low, overflows.
        TensorPrimitives.Subtract(_logits, largest, _weights);
        TensorPrimitives.Divide(_weights, _temperature, _weights);
        Exponential.Run(_weights);
    }

    /// <summary>Draws with min-p as the only filter, without ranking: the likeliest token's weight is 1.</summary>
    private int DrawFromAll()
    {
        ReadOnlySpan<int> candidates = Candidates(_options.MinP);
        double total = 0;
        foreach (int id in candidates)
        {
            total += _weights[id];
        }

        return Draw(candidates, total);
    }

    /// <summary>Draws from the likeliest tokens that top-k, top-p and min-p leave.</summary>
    private int DrawFromLikeliest()
    {
        bool hasTopK = _topK < _weights.Length;
        double total = hasTopK ? 0 : SumOfWeights();

        // Weights below the floor sum to less than top-p discards, so few tokens need to be ranked.
        double floor = (1 - _options.TopP) * total / _weights.Length;
        Ranking ranking = new(_logits, Candidates(floor));
        for (int i = 0; hasTopK && i < _topK; i++)
        {
            total += _weights[ranking[i]];
        }

        double enough = _options.TopP < 1 ? _options.TopP * total : double.PositiveInfinity;
        double kept = 0;
        int count = 0;
        while (count < Math.Min(_topK, ranking.Count) && kept < enough && _weights[ranking[count]] >= _options.MinP)
        {
            kept += _weights[ranking[count]];
            count++;
        }

        return Draw(ranking.First(count), kept);
    }

    private double SumOfWeights()
    {
        double sum = 0;
        foreach (float weight in _weights)
        {
            sum += weight;
        }

        return sum;
    }

    /// <summary>The ids whose weights reach a floor, in ascending order.</summary>
    private Span<int> Candidates(double floor)
    {
        int count = 0;
        for (int id = 0; id < _weights.Length; id++)
        {
            _ids[count] = id; // overwritten by the next id if its weight is below the floor
            count += _weights[id] >= floor ? 1 : 0;
        }

        return _ids.AsSpan(0, count);
    }

    /// <summary>Draws one of some ids with probability proportional to its weight.</summary>
    private int Draw(ReadOnlySpan<int> ids, double total)
    {
        double point = _random.NextUnit() * total, sum = 0;
        int drawn = -1;
        foreach (int id in ids)
        {
            if (_weights[id] > 0)
            {
                drawn = id; // the last id is drawn if rounding leaves the sum below the point
                sum += _weights[id];
                if (sum > point)
                {
                    break;
                }
            }
        }

        return drawn;
    }
}
