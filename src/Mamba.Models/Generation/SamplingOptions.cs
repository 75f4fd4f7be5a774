namespace Mamba.Models.Generation;

/// <summary>Options of sampling: how the next token is drawn from a model's logits.</summary>
/// <remarks>
/// The filters apply in Hugging Face's order: repetition penalty, temperature, top-k, top-p, min-p. By default all
/// are off, and a token is drawn with the model's own probabilities.
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
    /// Divides the positive logits of previous tokens, and multiplies the negative ones: values above 1 reduce
    /// repetition.
    /// </summary>
    /// <remarks>Keskar et al., <see href="https://arxiv.org/abs/1909.05858"/>.</remarks>
    public double RepetitionPenalty { get; init; } = 1;

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
    }
}
