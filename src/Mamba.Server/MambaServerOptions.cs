using Mamba.Models.Generation;
using Mamba.Models.Serving;

namespace Mamba.Server;

/// <summary>What a server allows, and what counts where a request says nothing.</summary>
/// <example>
/// <code>
/// MambaServerOptions options = new() { ModelId = "mamba-130m", ApiKeys = ["secret"], MaxTokens = 1000 };
/// </code>
/// </example>
public sealed record MambaServerOptions
{
    /// <summary>The model's name, which requests give and <c>/v1/models</c> lists.</summary>
    public string ModelId { get; init; } = "mamba";

    /// <summary>Slots, queue and prefix cache of the engine.</summary>
    public EngineOptions Engine { get; init; } = new();

    /// <summary>
    /// Sampling and number of tokens where a request says nothing. Where a request has no seed, each answer has its
    /// own.
    /// </summary>
    public GenerationOptions Defaults { get; init; } = new() { MaxTokens = 1024 };

    /// <summary>Most tokens that a request may ask for.</summary>
    public int MaxTokens { get; init; } = 4096;

    /// <summary>Most tokens of a prompt.</summary>
    public int MaxPromptTokens { get; init; } = 32_768;

    /// <summary>Most answers of one request: <c>n</c> for each of its prompts.</summary>
    public int MaxAnswers { get; init; } = 16;

    /// <summary>Most bytes of a request.</summary>
    public long MaxBodyBytes { get; init; } = 4 << 20;

    /// <summary>Most responses that are kept for <c>previous_response_id</c>; the oldest go first.</summary>
    public int MaxStoredResponses { get; init; } = 1000;

    /// <summary>Most sessions. Each has a state in memory, and up to three more to go back to.</summary>
    public int MaxSessions { get; init; } = 100;

    /// <summary>
    /// Folder in which sessions are saved after each turn, and found again; null: they end with the server.
    /// </summary>
    public string? SessionFolder { get; init; }

    /// <summary>The time after which a request ends, whatever it has.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The time after which a client that does not read its answer is disconnected.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>What clients wait before they try again when the queue is full.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Keys, of which a request must have one in <c>Authorization: Bearer KEY</c>. Empty: anybody may ask.
    /// </summary>
    public IReadOnlyCollection<string> ApiKeys { get; init; } = [];

    /// <summary>Whether <c>/</c> is a page to chat.</summary>
    public bool HasPage { get; init; } = true;

    /// <summary>Throws on the first invalid option, by name.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(ModelId);
        ArgumentNullException.ThrowIfNull(Engine);
        ArgumentNullException.ThrowIfNull(Defaults);
        ArgumentNullException.ThrowIfNull(ApiKeys);
        Engine.Validate();
        Defaults.Validate();
        (string Name, double Value)[] positive =
        [
            (nameof(MaxTokens), MaxTokens), (nameof(MaxPromptTokens), MaxPromptTokens),
            (nameof(MaxAnswers), MaxAnswers), (nameof(MaxBodyBytes), MaxBodyBytes),
            (nameof(MaxStoredResponses), MaxStoredResponses), (nameof(MaxSessions), MaxSessions),
            (nameof(RequestTimeout), RequestTimeout.TotalSeconds),
            (nameof(WriteTimeout), WriteTimeout.TotalSeconds), (nameof(RetryAfter), RetryAfter.TotalSeconds),
        ];
        foreach ((string name, double value) in positive)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value, name);
        }

        if (Defaults.MaxTokens > MaxTokens)
        {
            throw new ArgumentException(
                $"Defaults.MaxTokens: expected at most MaxTokens, {MaxTokens}; found {Defaults.MaxTokens}.");
        }

        if (ApiKeys.Any(string.IsNullOrWhiteSpace))
        {
            throw new ArgumentException("ApiKeys: expected keys; found an empty one.");
        }
    }
}
