using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Server.Http;

namespace Mamba.Server.Wire;

/// <summary>The body of <c>POST /v1/responses</c>.</summary>
internal sealed class ResponseRequest : SamplingRequest
{
    /// <summary>A text, or a list of messages, calls and their results.</summary>
    public JsonElement? Input { get; set; }

    public string? Instructions { get; set; }

    public string? PreviousResponseId { get; set; }

    public int? MaxOutputTokens { get; set; }

    public bool? Store { get; set; }

    public Dictionary<string, string>? Metadata { get; set; }

    public List<ResponseTool>? Tools { get; set; }

    public JsonElement? ToolChoice { get; set; }

    public bool? ParallelToolCalls { get; set; }

    public ResponseText? Text { get; set; }

    public ResponseReasoning? Reasoning { get; set; }

    /// <summary>What the answer has besides; null elements count as absent.</summary>
    public List<string>? Include { get; set; }

    public int? TopLogprobs { get; set; }

    /// <inheritdoc/>
    [JsonIgnore]
    protected override IReadOnlyDictionary<string, string[]> WithoutEffect { get; } = new Dictionary<string, string[]>
    {
        ["background"] = ["false"],
        ["truncation"] = ["disabled"],
        ["service_tier"] = ["auto", "default"],
    };

    /// <summary>Number of likeliest tokens beside each token of the answer; null: no log-probabilities.</summary>
    /// <exception cref="ApiException">It is out of its range, or <c>include</c> has what this server lacks.</exception>
    public int? ReadLogProbabilities()
    {
        const string Included = "message.output_text.logprobs", Name = "top_logprobs";
        if (Include?.FirstOrDefault(name => name is not (null or Included)) is { } other)
        {
            throw ApiException.Field("include", $"expected {Included}; found {other}.", "unsupported_parameter");
        }

        RequireLikeliest(TopLogprobs, Name, ChatRequest.MostLikeliest);
        return Include?.Contains(Included) == true ? TopLogprobs ?? 0
            : TopLogprobs is null or 0 ? null
            : throw ApiException.Field(Name, $"expected include to have {Included}; found none.");
    }
}

/// <summary>A function that the model may call.</summary>
internal sealed class ResponseTool
{
    public string? Type { get; set; }

    public string? Name { get; set; }

    public string? Description { get; set; }

    public JsonElement? Parameters { get; set; }

    public bool? Strict { get; set; }
}

/// <summary>How much the model thinks.</summary>
internal sealed class ResponseReasoning
{
    public string? Effort { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>The form of the answer.</summary>
internal sealed class ResponseText
{
    public ResponseTextFormat? Format { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

/// <summary><c>text</c>, <c>json_object</c> or <c>json_schema</c>.</summary>
internal sealed class ResponseTextFormat
{
    public string? Type { get; set; }

    public string? Name { get; set; }

    public string? Description { get; set; }

    public JsonElement? Schema { get; set; }

    public bool? Strict { get; set; }
}

/// <summary>An answer that can be continued by its id.</summary>
internal sealed record ResponseAnswer(string Id, long CreatedAt, string Model)
{
    public string Object { get; } = "response";

    /// <summary><c>in_progress</c>, <c>completed</c>, <c>incomplete</c> or <c>failed</c>.</summary>
    public required string Status { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ErrorFields? Error { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IncompleteDetails? IncompleteDetails { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Instructions { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? MaxOutputTokens { get; init; }

    public IReadOnlyList<ResponseItem> Output { get; init; } = [];

    public bool ParallelToolCalls { get; init; } = true;

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? PreviousResponseId { get; init; }

    public bool Store { get; init; }

    public double Temperature { get; init; }

    public double TopP { get; init; }

    public JsonElement ToolChoice { get; init; } = JsonElement.Parse("\"auto\"");

    public IReadOnlyList<ResponseTool> Tools { get; init; } = [];

    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public ResponseUsage? Usage { get; init; }
}

/// <summary>Why an answer is not complete.</summary>
internal sealed record IncompleteDetails(string Reason);

/// <summary>A message, a call of a function, or reasoning.</summary>
internal sealed record ResponseItem(string Type, string Id)
{
    public string? Status { get; init; }

    public string? Role { get; init; }

    public IReadOnlyList<ResponsePart>? Content { get; init; }

    public IReadOnlyList<ResponsePart>? Summary { get; init; }

    public string? CallId { get; init; }

    public string? Name { get; init; }

    public string? Arguments { get; init; }
}

/// <summary>A part of a message.</summary>
internal sealed record ResponsePart(string Type, string Text)
{
    public IReadOnlyList<JsonElement>? Annotations { get; init; }

    public IReadOnlyList<TokenLogProbability>? Logprobs { get; init; }
}

/// <summary>Numbers of tokens.</summary>
internal sealed record ResponseUsage(
    long InputTokens, InputDetails InputTokensDetails, long OutputTokens, OutputDetails OutputTokensDetails,
    long TotalTokens);

/// <summary>Tokens of the prompt whose state was known.</summary>
internal sealed record InputDetails(long CachedTokens);

/// <summary>Tokens of reasoning.</summary>
internal sealed record OutputDetails(long ReasoningTokens);

/// <summary>An event of a stream.</summary>
internal sealed record ResponseEvent(string Type, int SequenceNumber)
{
    public ResponseAnswer? Response { get; init; }

    public int? OutputIndex { get; init; }

    public int? ContentIndex { get; init; }

    public string? ItemId { get; init; }

    public ResponseItem? Item { get; init; }

    public ResponsePart? Part { get; init; }

    public string? Delta { get; init; }

    public string? Text { get; init; }

    public IReadOnlyList<TokenLogProbability>? Logprobs { get; init; }

    public string? Arguments { get; init; }

    public string? Name { get; init; }

    public string? Message { get; init; }

    public string? Code { get; init; }

    public string? Param { get; init; }
}

/// <summary>What deleting tells.</summary>
internal sealed record DeletedItem(string Id, string Object, bool Deleted);
