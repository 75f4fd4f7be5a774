namespace Mamba.Models.Generation;

/// <summary>A token that could have come next.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">The natural logarithm of its probability; -∞ if the model rules it out.</param>
public readonly record struct TokenProbability(int Id, double LogProbability);
