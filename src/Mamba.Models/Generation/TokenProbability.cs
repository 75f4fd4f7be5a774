namespace Mamba.Models.Generation;

/// <summary>A token that could have come next.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">The natural logarithm of its probability; -∞ if the model rules it out.</param>
/// <example>
/// <code>
/// GenerationOptions options = new() { LogProbabilities = 5 };
/// await foreach (GeneratedToken token in model.GenerateTokensAsync(prompt, options))
/// {
///     foreach (TokenProbability likely in token.Likeliest)
///     {
///         Console.WriteLine($"{likely.Id}: {Math.Exp(likely.LogProbability):P1}");
///     }
/// }
/// </code>
/// </example>
public readonly record struct TokenProbability(int Id, double LogProbability);
