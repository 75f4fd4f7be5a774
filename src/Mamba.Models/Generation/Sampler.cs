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
    private readonly double[] _information; // of typical-p; empty without it
    private readonly (int Id, float Bias)[] _biases;
    private SplitMix64 _random;
    private float _largest;

    /// <summary>Makes a sampler.</summary>
    /// <param name="vocabulary">Number of logits.</param>
    /// <param name="options">The options of sampling.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty, or an option is out of range.</exception>
    public Sampler(int vocabulary, SamplingOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        options.RequireTokensBelow(vocabulary);
        _options = options;
        _temperature = (float)options.Temperature;
        _topK = options.TopK == 0 ? vocabulary : Math.Min(options.TopK, vocabulary);
        _logits = new float[vocabulary];
        _weights = new float[vocabulary];
        _ids = new int[vocabulary];
        _information = options.TypicalP < 1 ? new double[vocabulary] : [];
        _biases = [.. (options.LogitBias ?? new Dictionary<int, double>()).Select(one => (one.Key, (float)one.Value))];
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
    /// <param name="counts">
    /// How often each of the <paramref name="previous"/> ids was generated, for the penalties of frequency and
    /// presence; 0 for one that stands in the prompt alone. Empty: none was.
    /// </param>
    /// <returns>The token's id.</returns>
    /// <exception cref="ArgumentException">
    /// The number of logits or counts is wrong, or logits are NaN, +∞, or all -∞.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An id in <paramref name="previous"/> has no logit.</exception>
    public int Next(
        ReadOnlySpan<float> logits, ReadOnlySpan<int> previous = default, ReadOnlySpan<int> counts = default)
    {
        if (logits.Length != _logits.Length)
        {
            throw new ArgumentException($"Expected {_logits.Length} logits; found {logits.Length}.", nameof(logits));
        }

        if (!counts.IsEmpty && counts.Length != previous.Length)
        {
            throw new ArgumentException(
                $"Expected {previous.Length} counts, one for each previous id; found {counts.Length}.", nameof(counts));
        }

        TensorPrimitives.Add(logits, 0f, _logits); // -0 becomes 0, so that both compare equal everywhere
        foreach ((int id, float bias) in _biases)
        {
            _logits[id] += bias;
        }

        Penalise(previous, counts);
        int likeliest = FindLikeliest();
        if (_temperature == 0)
        {
            return likeliest;
        }

        _largest = _logits[likeliest];
        SetWeights();
        Span<int> kept = _topK < _logits.Length || _options.TopP < 1
            ? Likeliest(out double total)
            : All(out total);
        return _options.TypicalP < 1 ? DrawTypical(kept, total) : Draw(kept, total);
    }

    /// <summary>Applies the penalties, once for each distinct id.</summary>
    private void Penalise(ReadOnlySpan<int> previous, ReadOnlySpan<int> counts)
    {
        float repetition = (float)_options.RepetitionPenalty;
        _logits.CopyTo(_weights, 0); // an id that comes twice is penalised from the same logit
        for (int i = 0; i < previous.Length; i++)
        {
            int id = previous[i];
            if ((uint)id >= (uint)_logits.Length)
            {
                throw new ArgumentOutOfRangeException(nameof(previous), id, $"Expected ids below {_logits.Length}.");
            }

            float logit = _weights[id] < 0 ? _weights[id] * repetition : _weights[id] / repetition;
            int count = counts.IsEmpty ? 0 : counts[i];
            double offset = (_options.FrequencyPenalty * count) + (count > 0 ? _options.PresencePenalty : 0);
            _logits[id] = (float)(logit - offset);
        }
    }

    /// <summary>Finds the id of the largest logit; of equal ones, the first.</summary>
    private int FindLikeliest()
    {
        int likeliest = TensorPrimitives.IndexOfMax<float>(_logits); // or the first NaN
        return new Likeliest(likeliest, _logits[likeliest]).Checked();
    }

    /// <summary>Computes unnormalised probabilities: <c>exp((logit - largest)/temperature)</c>.</summary>
    private void SetWeights()
    {
        // Subtracts the maximum before the division, so that no temperature, however low, overflows.
        TensorPrimitives.Subtract(_logits, _largest, _weights);
        TensorPrimitives.Divide(_weights, _temperature, _weights);
        Exponential.Run(_weights);
    }

    /// <summary>The ids that min-p leaves, without ranking: the likeliest token's weight is 1.</summary>
    private Span<int> All(out double total)
    {
        Span<int> candidates = Candidates(_options.MinP);
        total = 0;
        foreach (int id in candidates)
        {
            total += _weights[id];
        }

        return candidates;
    }

    /// <summary>The ids that top-k, top-p and min-p leave.</summary>
    private Span<int> Likeliest(out double kept)
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
        kept = 0;
        int count = 0;
        while (count < Math.Min(_topK, ranking.Count) && kept < enough && _weights[ranking[count]] >= _options.MinP)
        {
            kept += _weights[ranking[count]];
            count++;
        }

        return ranking.First(count);
    }

    /// <summary>Draws from the tokens whose information is nearest to the entropy.</summary>
    /// <param name="ids">The tokens that the other filters leave; reordered.</param>
    /// <param name="total">The sum of their weights.</param>
    private int DrawTypical(Span<int> ids, double total)
    {
        double entropy = 0;
        foreach (int id in ids)
        {
            // -log p from the logits, because a weight may underflow: 0·log 0 would be NaN.
            _information[id] = Math.Log(total) - (((double)_logits[id] - _largest) / _temperature);
            entropy += _weights[id] > 0 ? _weights[id] / total * _information[id] : 0;
        }

        foreach (int id in ids)
        {
            _logits[id] = -(float)Math.Abs(_information[id] - entropy);
        }

        Ranking ranking = new(_logits, ids);
        double enough = _options.TypicalP * total, kept = 0;
        int count = 0;
        while (count < ranking.Count && kept < enough)
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
