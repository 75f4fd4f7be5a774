namespace Mamba.Models.Serving;

/// <summary>What a <see cref="MambaEngine"/> has done since it was made, and is doing.</summary>
/// <param name="Waiting">Requests that wait for a slot.</param>
/// <param name="Active">Requests that have a slot.</param>
/// <param name="Finished">Requests that have ended, also those that failed or were cancelled.</param>
/// <param name="PromptTokens">Tokens of prompts, those of cached prefixes included.</param>
/// <param name="CachedTokens">Tokens of prompts whose state came from the prefix cache.</param>
/// <param name="GeneratedTokens">Generated tokens.</param>
/// <param name="PrefixHits">Prompts that continued from the prefix cache.</param>
/// <param name="PrefixCacheBytes">Memory that the prefix cache uses.</param>
/// <example>
/// <code>
/// EngineStatistics statistics = engine.Statistics;
/// Console.WriteLine($"{statistics.CachedTokens} of {statistics.PromptTokens} tokens were known");
/// </code>
/// </example>
public readonly record struct EngineStatistics(
    int Waiting,
    int Active,
    long Finished,
    long PromptTokens,
    long CachedTokens,
    long GeneratedTokens,
    long PrefixHits,
    long PrefixCacheBytes);
