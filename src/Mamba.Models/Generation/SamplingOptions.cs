namespace Mamba.Models.Generation;

/// <summary>Options of sampling: how the next token is drawn from a model's logits.</summary>
/// <remarks>
/// They apply in this order: logit bias, repetition penalty, frequency and presence penalties, temperature, top-k,
/// top-p, min-p, typical-p; each filter on what the one before it left, as in Hugging Face. By default all are off, and
/// a token is drawn with the model's own probabilities.
/// </remarks>
/// <example>
/// <code>
/// SamplingOptions sampling = new() { Temperature = 0.8, TopK = 50, RepetitionPenalty = 1.1, Seed = 42 };
/// Sampler sampler = new(vocabulary: 256, sampling);
/// </code>
/// </example>
public sealed record SamplingOptions
{
    private const double Largest = 1e6; // above it float32 does not resolve differences of logits

    /// <summary>Takes the likeliest token always.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Divides the logits. Below 1, likely tokens become likelier; 0 always takes the likeliest.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Keeps this many of the likeliest tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the fewest of the likeliest tokens whose probabilities add up to this; 1 keeps all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Keeps the tokens that are at least this likely, relative to the likeliest; 0 keeps all.</summary>
    public double MinP { get; init; }

    /// <summary>
    /// Keeps the fewest tokens whose probabilities add up to this, those first whose information <c>-log p</c> is
    /// nearest to its expected value, the entropy; 1 keeps all.
    /// </summary>
    /// <remarks>Meister et al., <see href="https://arxiv.org/abs/2202.00666"/>, eq. 9.</remarks>
    public double TypicalP { get; init; } = 1;

    /// <summary>
    /// Divides the positive logits of previous tokens, and multiplies the negative ones: values above 1 reduce
    /// repetition.
    /// </summary>
    /// <remarks>Keskar et al., <see href="https://arxiv.org/abs/1909.05858"/>.</remarks>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>
    /// Is subtracted from the logit of a generated token once for each time that it was generated; the prompt does not
    /// count. Negative values favour repetition.
    /// </summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>
    /// Is subtracted from the logit of every token that was generated; the prompt does not count. Negative values
    /// favour repetition.
    /// </summary>
    public double PresencePenalty { get; init; }

    /// <summary>Numbers that are added to the logits of tokens; -∞ forbids a token. Null: none.</summary>
    public IReadOnlyDictionary<int, double>? LogitBias { get; init; }

    /// <summary>Seed of the random source; the same seed, logits and options give the same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Throws on the first invalid option.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; it is named.</exception>
    public void Validate()
    {
        Setting.RequireIn(Temperature, Largest, nameof(Temperature));
        Setting.RequireNotNegative(TopK, nameof(TopK));
        Setting.Require(TopP is > 0 and <= 1, nameof(TopP), "above 0 and at most 1", TopP);
        Setting.RequireIn(MinP, 1, nameof(MinP));
        Setting.Require(
            RepetitionPenalty is >= 1 / Largest and <= Largest, nameof(RepetitionPenalty), "from 1e-6 to 1e6",
            RepetitionPenalty);
        Setting.Require(TypicalP is > 0 and <= 1, nameof(TypicalP), "above 0 and at most 1", TypicalP);
        RequireOffset(FrequencyPenalty, nameof(FrequencyPenalty));
        RequireOffset(PresencePenalty, nameof(PresencePenalty));
        foreach ((int token, double bias) in LogitBias ?? new Dictionary<int, double>())
        {
            Setting.Require(token >= 0, nameof(LogitBias), "of tokens, which are 0 or more", token);
            Setting.Require(
                bias is double.NegativeInfinity or (>= -Largest and <= Largest), nameof(LogitBias),
                "from -1e6 to 1e6, or -∞", bias);
        }
    }

    /// <summary>Throws unless every token that is named is one of a vocabulary.</summary>
    internal void RequireTokensBelow(int vocabulary)
    {
        foreach (int token in LogitBias?.Keys ?? [])
        {
            Setting.Require(
                token < vocabulary, nameof(LogitBias), $"of tokens of the vocabulary, below {vocabulary}", token);
        }
    }

    private static void RequireOffset(double value, string name) =>
        Setting.Require(value is >= -Largest and <= Largest, name, "from -1e6 to 1e6", value);
}
