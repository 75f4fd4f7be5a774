using Mamba.Models.Generation;

namespace Mamba.Cli.Text;

/// <summary>What <c>mamba generate --json</c> prints.</summary>
internal sealed record GenerateReport
{
    /// <summary>The text that was continued.</summary>
    public required string Prompt { get; init; }

    /// <summary>What was generated.</summary>
    public required string Text { get; init; }

    /// <summary><c>stop</c>, or <c>length</c> if it was cut off after the maximum of tokens.</summary>
    public required string Finish { get; init; }

    /// <summary>Number of tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>The generated tokens.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>The generated tokens with their log-probabilities; null if they were not asked for.</summary>
    public required IReadOnlyList<GeneratedToken>? LogProbabilities { get; init; }

    /// <summary>Time until the first token.</summary>
    public required double PromptSeconds { get; init; }

    /// <summary>Tokens in a second after the first.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Tokens that the draft model has drafted; null without one.</summary>
    public required long? Drafted { get; init; }

    /// <summary>Drafted tokens that were right.</summary>
    public required long? Accepted { get; init; }
}
