namespace Mamba.Optimization;

/// <summary>How an optimiser treats some of the parameters.</summary>
/// <param name="LearningRateScale">What the learning rate is multiplied by, a float of 0 or more.</param>
/// <param name="Decays">Whether weight decay applies.</param>
/// <example>
/// <code>
/// ParameterGroup slow = new(LearningRateScale: 0.1), usual = new();
/// using AdamW optimizer = new(
///     module, new(), (name, weights) =&gt; name.StartsWith("embedding", StringComparison.Ordinal) ? slow : usual);
/// </code>
/// </example>
public sealed record ParameterGroup(double LearningRateScale = 1, bool Decays = true);
