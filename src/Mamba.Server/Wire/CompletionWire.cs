using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mamba.Server.Wire;

/// <summary>The body of <c>POST /v1/completions</c>.</summary>
internal sealed class CompletionRequest : SamplingRequest
{
    /// <summary>A text, tokens, or a list of either.</summary>
    public JsonElement? Prompt { get; set; }

    public bool? Echo { get; set; }

    public int? BestOf { get; set; }

    /// <summary>Number of the likeliest tokens that are listed with each; null: not even the token's own.</summary>
    public int? Logprobs { get; set; }

    /// <summary>The session that goes on; null: none.</summary>
    public string? Session { get; set; }

    /// <inheritdoc/>
    [JsonIgnore]
    protected override IReadOnlyDictionary<string, string[]> WithoutEffect { get; } =
        new Dictionary<string, string[]> { ["suffix"] = [""] };

    /// <summary>Throws unless the number of likeliest tokens is in its range.</summary>
    public void RequireLogProbabilities() => RequireLikeliest(Logprobs, "logprobs", 5);
}

/// <summary>Continuations of texts, or in a stream pieces of them.</summary>
internal sealed record CompletionAnswer(
    string Id, string Object, long Created, string Model, IReadOnlyList<CompletionChoice> Choices,
    WireUsage? Usage = null);

/// <summary>One continuation.</summary>
internal sealed record CompletionChoice(int Index, string Text)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    public CompletionLogProbabilities? Logprobs { get; init; }
}

/// <summary>How likely the tokens of a text were; one entry for each token in each list.</summary>
internal sealed record CompletionLogProbabilities(
    IReadOnlyList<string> Tokens, IReadOnlyList<double> TokenLogprobs,
    IReadOnlyList<IReadOnlyDictionary<string, double>> TopLogprobs, IReadOnlyList<int> TextOffset);
