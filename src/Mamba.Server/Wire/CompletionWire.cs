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

    /// <summary>The session that goes on; null: none.</summary>
    public string? Session { get; set; }

    /// <inheritdoc/>
    [JsonIgnore]
    protected override IReadOnlyDictionary<string, string[]> WithoutEffect { get; } =
        new Dictionary<string, string[]> { ["logit_bias"] = ["{}"], ["suffix"] = [""] };
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
}
