using Microsoft.Extensions.AI;

namespace Mamba.Server.Wire;

/// <summary>Numbers of tokens of all answers of a request.</summary>
internal sealed class UsageTotal
{
    public long Prompt { get; private set; }

    public long Generated { get; private set; }

    public long Cached { get; private set; }

    public long Reasoning { get; private set; }

    /// <summary>Counts one answer. The prompt of several answers counts once.</summary>
    public void Add(ChatResponseUpdate piece)
    {
        foreach (UsageContent usage in piece.Contents.OfType<UsageContent>())
        {
            Prompt = usage.Details.InputTokenCount ?? 0;
            Generated += usage.Details.OutputTokenCount ?? 0;
            Cached = Math.Max(Cached, usage.Details.CachedInputTokenCount ?? 0);
            Reasoning += usage.Details.ReasoningTokenCount ?? 0;
        }
    }

    /// <summary>Counts one continuation of a prompt.</summary>
    public void Add(long prompt, long generated, long cached)
    {
        Prompt += prompt;
        Generated += generated;
        Cached += cached;
    }

    public WireUsage ToWire() => new(Prompt, Generated, Prompt + Generated, new(Cached))
    {
        CompletionTokensDetails = Reasoning > 0 ? new(Reasoning) : null,
    };
}
