namespace Mamba.Models.Generation;

/// <summary>A text that beam search has found.</summary>
/// <param name="Tokens">The generated tokens, without the stop token.</param>
/// <param name="LogProbability">The sum of the log-probabilities of all tokens, the stop token included.</param>
/// <param name="Score">
/// The log-probability divided by the number of tokens, the stop token included, to the power of
/// <see cref="BeamSearchOptions.LengthPenalty"/>.
/// </param>
/// <param name="Finish">Whether a stop token ended it, or <see cref="BeamSearchOptions.MaxTokens"/>.</param>
/// <example>
/// <code>
/// foreach (BeamText text in model.BeamSearch(prompt))
/// {
///     Console.WriteLine($"{text.Score:F2}: {tokenizer.Decode([.. text.Tokens])}");
/// }
/// </code>
/// </example>
public sealed record BeamText(IReadOnlyList<int> Tokens, double LogProbability, double Score, FinishReason Finish);
