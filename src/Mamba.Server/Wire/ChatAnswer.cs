using System.Text.Json.Serialization;

namespace Mamba.Server.Wire;

/// <summary>An answer to a conversation, or with <see cref="ChatChoice.Delta"/> a piece of one.</summary>
internal sealed record ChatAnswer(
    string Id, string Object, long Created, string Model, IReadOnlyList<ChatChoice> Choices, WireUsage? Usage = null);

/// <summary>One of the answers.</summary>
internal sealed record ChatChoice(int Index)
{
    public WireAnswerMessage? Message { get; init; }

    public WireAnswerMessage? Delta { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    public ChatLogProbabilities? Logprobs { get; init; }
}

/// <summary>How likely the tokens of an answer were.</summary>
internal sealed record ChatLogProbabilities(IReadOnlyList<TokenLogProbability> Content);

/// <summary>How likely a token was, and which others were likeliest.</summary>
internal sealed record TokenLogProbability(string Token, double Logprob, IReadOnlyList<int> Bytes)
{
    public IReadOnlyList<TokenLogProbability>? TopLogprobs { get; init; }
}

/// <summary>What the assistant says.</summary>
internal sealed record WireAnswerMessage
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    public string? ReasoningContent { get; init; }

    public IReadOnlyList<WireToolCall>? ToolCalls { get; init; }
}

/// <summary>Numbers of tokens.</summary>
internal sealed record WireUsage(
    long PromptTokens, long CompletionTokens, long TotalTokens, PromptDetails PromptTokensDetails)
{
    public OutputDetails? CompletionTokensDetails { get; init; }
}

/// <summary>Tokens of the prompt whose state was known.</summary>
internal sealed record PromptDetails(long CachedTokens);

/// <summary>An error.</summary>
internal sealed record WireError(ErrorFields Error);

/// <summary>What went wrong.</summary>
internal sealed record ErrorFields(string Message, string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Param { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Code { get; init; }
}
