namespace Mamba.Models.Serving;

/// <summary>Limits of a <see cref="MambaEngine"/>.</summary>
/// <example>
/// <code>
/// EngineOptions options = new() { Slots = 32, QueueLength = 100, PrefixCacheBytes = 1L &lt;&lt; 30 };
/// await using MambaEngine engine = new(model, options);
/// </code>
/// </example>
public sealed record EngineOptions
{
    /// <summary>Number of texts that are generated at a time. Their states are allocated at once.</summary>
    public int Slots { get; init; } = 16;

    /// <summary>Number of requests that wait for a slot; more are refused.</summary>
    public int QueueLength { get; init; } = 256;

    /// <summary>Most tokens of a prompt; longer ones are refused.</summary>
    public int MaxPromptTokens { get; init; } = int.MaxValue;

    /// <summary>
    /// Tokens of a prompt that are read between two steps of the other texts. Short pieces let others wait less, long
    /// ones read faster.
    /// </summary>
    public int PrefillLength { get; init; } = 64;

    /// <summary>
    /// Memory for states of texts that were read, from which prompts with such a prefix continue; 0: none.
    /// </summary>
    public long PrefixCacheBytes { get; init; } = 1L << 28;

    /// <summary>
    /// Whether prompts continue only from states after whole pieces of <see cref="PrefillLength"/> tokens, so that they
    /// give the bits of a prompt that is read from its first token, whatever was read before. If false, they continue
    /// from the longest prefix, also from the end of an answer, and results differ by rounding.
    /// </summary>
    public bool ExactPrefixes { get; init; } = true;

    /// <summary>Throws on the first invalid option, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public void Validate()
    {
        Setting.RequirePositive(Slots, nameof(Slots));
        Setting.RequireNotNegative(QueueLength, nameof(QueueLength));
        Setting.RequirePositive(MaxPromptTokens, nameof(MaxPromptTokens));
        Setting.RequirePositive(PrefillLength, nameof(PrefillLength));
        Setting.RequireNotNegative(PrefixCacheBytes, nameof(PrefixCacheBytes));
    }
}
