namespace Mamba.Models.Generation;

/// <summary>A generated token, and how likely it was.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">
/// The natural logarithm of its probability; null without <see cref="GenerationOptions.LogProbabilities"/>.
/// </param>
/// <param name="Likeliest">
/// As many of the likeliest tokens as <see cref="GenerationOptions.LogProbabilities"/> says, the likeliest first; of
/// equally likely ones, the lowest id.
/// </param>
/// <remarks>
/// Probabilities are the model's own: the softmax of its logits, before penalties, temperature, filters and
/// constraints. They are computed in double precision.
/// </remarks>
/// <example>
/// <code>
/// await foreach (GeneratedToken token in model.GenerateTokensAsync(prompt, new() { LogProbabilities = 3 }))
/// {
///     Console.WriteLine($"{token.Id}: p = {Math.Exp(token.LogProbability!.Value):P1}");
/// }
/// </code>
/// </example>
public readonly record struct GeneratedToken(
    int Id, double? LogProbability, IReadOnlyList<TokenProbability> Likeliest);
