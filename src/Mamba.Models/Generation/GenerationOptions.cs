namespace Mamba.Models.Generation;

/// <summary>How a text is continued.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens that are generated.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>How each token is chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>
    /// Tokens that end the text; they are not returned. Null: the model's <see cref="LanguageModelConfig.EndOfText"/>.
    /// </summary>
    public IReadOnlyCollection<int>? StopTokens { get; init; }

    /// <summary>Rows of tokens that end the text; the last of them has been returned by then.</summary>
    public IReadOnlyCollection<IReadOnlyList<int>> StopSequences { get; init; } = [];

    /// <summary>Tokens of the prompt that are read at once; bounds the memory that a long prompt takes.</summary>
    public int PrefillLength { get; init; } = 2048;

    /// <summary>Throws on the first option that makes no sense, by name.</summary>
    /// <exception cref="ArgumentException">A number is out of its range, or a stop sequence is empty.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PrefillLength);
        ArgumentNullException.ThrowIfNull(Sampling);
        Sampling.Validate();
        if (StopSequences.Any(sequence => sequence.Count == 0))
        {
            throw new ArgumentException("A stop sequence is empty.");
        }
    }
}
