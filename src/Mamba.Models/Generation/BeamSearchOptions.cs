namespace Mamba.Models.Generation;

/// <summary>Options of beam search.</summary>
/// <example>
/// <code>
/// BeamSearchOptions options = new() { Beams = 8, MaxTokens = 32, LengthPenalty = 0.6 };
/// IReadOnlyList&lt;BeamText> texts = model.BeamSearch(prompt, options);
/// </code>
/// </example>
public sealed record BeamSearchOptions
{
    private const int Most = 4096;

    /// <summary>Number of texts that are followed at a time, and of those that are returned; 1 to 4096.</summary>
    public int Beams { get; init; } = 4;

    /// <summary>The maximum number of generated tokens of a text.</summary>
    public int MaxTokens { get; init; } = 64;

    /// <summary>
    /// The power of the length by which a log-probability is divided to give a score: 0 favours short texts, 1 compares
    /// means of tokens.
    /// </summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>
    /// Tokens that end a text; they count in its score and are not returned. Null: the model's
    /// <see cref="LanguageModelConfig.EndOfText"/>.
    /// </summary>
    public IReadOnlyCollection<int>? StopTokens { get; init; }

    /// <summary>Tokens of the prompt that are read at once; limits the memory for long prompts.</summary>
    public int PrefillLength { get; init; } = 2048;

    /// <summary>Throws on the first invalid option, by name.</summary>
    /// <exception cref="ArgumentException">A number is out of its range, or a token is negative.</exception>
    public void Validate()
    {
        Setting.Require(Beams is >= 1 and <= Most, nameof(Beams), $"1 to {Most}", Beams);
        Setting.RequirePositive(MaxTokens, nameof(MaxTokens));
        Setting.RequireIn(LengthPenalty, 10, nameof(LengthPenalty));
        Setting.RequirePositive(PrefillLength, nameof(PrefillLength));
        foreach (int token in StopTokens ?? [])
        {
            Setting.Require(token >= 0, nameof(StopTokens), "tokens, which are 0 or more", token);
        }
    }
}
