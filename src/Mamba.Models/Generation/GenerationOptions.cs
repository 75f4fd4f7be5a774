namespace Mamba.Models.Generation;

/// <summary>Options of text generation.</summary>
/// <example>
/// <code>
/// GenerationOptions options = new()
/// {
///     MaxTokens = 200, Sampling = new() { Temperature = 0.7, TopP = 0.9, Seed = 1 }, StopTokens = [0],
/// };
/// await foreach (int next in model.GenerateAsync(prompt, options))
/// {
///     Console.Write($"{next} ");
/// }
/// </code>
/// </example>
public sealed record GenerationOptions
{
    /// <summary>The maximum number of generated tokens.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>How each token is chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>
    /// Tokens that end the text; they are not returned. Null: the model's <see cref="LanguageModelConfig.EndOfText"/>.
    /// </summary>
    public IReadOnlyCollection<int>? StopTokens { get; init; }

    /// <summary>Sequences of tokens that end the text. All their tokens are returned.</summary>
    public IReadOnlyCollection<IReadOnlyList<int>> StopSequences { get; init; } = [];

    /// <summary>
    /// Decides which tokens a text may consist of; null: it may be any. For JSON: <c>JsonConstraint</c> of the package
    /// Mamba.Text.
    /// </summary>
    public TokenConstraint? Constraint { get; init; }

    /// <summary>
    /// Ends texts by a rule: it is called once for each text, and gives a function that takes the generated tokens one
    /// by one and says whether the text ends with this one, which is still returned. Null: no rule. For strings:
    /// <c>StopStrings.Rule</c> of the package Mamba.Text.
    /// </summary>
    public Func<Func<int, bool>>? StopRule { get; init; }

    /// <summary>
    /// Number of the likeliest tokens that are listed with each token and its log-probability, for
    /// <see cref="MambaLanguageModel.GenerateTokensAsync"/>; 0: the log-probability alone; null: neither.
    /// </summary>
    public int? LogProbabilities { get; init; }

    /// <summary>Tokens of the prompt that are read at once; limits the memory for long prompts.</summary>
    public int PrefillLength { get; init; } = 2048;

    /// <summary>Throws on the first invalid option, by name.</summary>
    /// <exception cref="ArgumentException">
    /// A number is out of its range, a token is negative, or a stop sequence is empty or null.
    /// </exception>
    public void Validate()
    {
        Setting.RequireNotNegative(MaxTokens, nameof(MaxTokens));
        Setting.RequirePositive(PrefillLength, nameof(PrefillLength));
        Setting.RequireNotNegative(LogProbabilities ?? 0, nameof(LogProbabilities));
        Setting.RequireNotNull(Sampling, nameof(Sampling), "a way to choose tokens");
        Sampling.Validate();
        RequireTokens(StopTokens ?? [], nameof(StopTokens));
        Setting.RequireNotNull(StopSequences, nameof(StopSequences), "a list of rows of tokens");
        foreach (IReadOnlyList<int> sequence in StopSequences)
        {
            Setting.Require(
                sequence is { Count: > 0 }, nameof(StopSequences), "rows of tokens", "one that is empty or null");
            RequireTokens(sequence, nameof(StopSequences));
        }
    }

    private static void RequireTokens(IEnumerable<int> tokens, string name)
    {
        foreach (int token in tokens)
        {
            Setting.Require(token >= 0, name, "tokens, which are 0 or more", token);
        }
    }
}
