using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Server.Http;

namespace Mamba.Server.Wire;

/// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatRequest : SamplingRequest
{
    /// <summary>Most likeliest tokens that are listed with each token.</summary>
    public const int MostLikeliest = 20;

    public List<WireMessage>? Messages { get; set; }

    public int? MaxCompletionTokens { get; set; }

    public List<WireTool>? Tools { get; set; }

    /// <summary><c>none</c>, <c>auto</c>, <c>required</c> or an object that names a function.</summary>
    public JsonElement? ToolChoice { get; set; }

    public bool? ParallelToolCalls { get; set; }

    public ResponseFormat? ResponseFormat { get; set; }

    public bool? Logprobs { get; set; }

    public int? TopLogprobs { get; set; }

    /// <summary>How much the model thinks; see <see cref="ChatMapping.ReasoningOf"/>.</summary>
    public string? ReasoningEffort { get; set; }

    /// <summary>Variables of the template, such as <c>enable_thinking</c>.</summary>
    public Dictionary<string, JsonElement>? ChatTemplateKwargs { get; set; }

    /// <summary>The session that goes on; null: none.</summary>
    public string? Session { get; set; }

    /// <summary>Number of the likeliest tokens that are listed with each; null: not even the token's own.</summary>
    /// <exception cref="ApiException">It is out of its range.</exception>
    public int? ReadLogProbabilities()
    {
        RequireLikeliest(TopLogprobs, "top_logprobs", MostLikeliest);
        return Logprobs == true ? TopLogprobs ?? 0
            : TopLogprobs is null or 0 ? null
            : throw ApiException.Field("top_logprobs", "expected logprobs to be true; found false.");
    }

    /// <inheritdoc/>
    [JsonIgnore]
    protected override IReadOnlyDictionary<string, string[]> WithoutEffect { get; } = new Dictionary<string, string[]>
    {
        ["store"] = ["false"],
        ["service_tier"] = ["auto", "default"],
        ["modalities"] = ["[\"text\"]"],
        ["metadata"] = ["{}"],
    };
}

/// <summary>A message of a conversation.</summary>
internal sealed class WireMessage
{
    public string? Role { get; set; }

    /// <summary>A text, or a list of parts.</summary>
    public JsonElement? Content { get; set; }

    public string? Name { get; set; }

    public string? ToolCallId { get; set; }

    public List<WireToolCall>? ToolCalls { get; set; }

    public string? ReasoningContent { get; set; }

    public string? Refusal { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>A function that the model may call.</summary>
internal sealed class WireTool
{
    public string? Type { get; set; }

    public WireFunction? Function { get; set; }
}

/// <summary>A function: its name, what it does and the schema of its arguments.</summary>
internal sealed class WireFunction
{
    public string? Name { get; set; }

    public string? Description { get; set; }

    public JsonElement? Parameters { get; set; }

    public bool? Strict { get; set; }
}

/// <summary>A call of a function, or in a stream a piece of one.</summary>
internal sealed class WireToolCall
{
    /// <summary>The number of the call in its message; in streams alone.</summary>
    public int? Index { get; set; }

    public string? Id { get; set; }

    public string? Type { get; set; }

    public WireCalledFunction? Function { get; set; }
}

/// <summary>The function that is called and its arguments, a text in JSON.</summary>
internal sealed class WireCalledFunction
{
    public string? Name { get; set; }

    public string? Arguments { get; set; }
}

/// <summary>The form of an answer: <c>text</c>, <c>json_object</c> or <c>json_schema</c>.</summary>
internal sealed class ResponseFormat
{
    public string? Type { get; set; }

    public SchemaFields? JsonSchema { get; set; }
}

/// <summary>A schema by its name.</summary>
internal sealed class SchemaFields
{
    public string? Name { get; set; }

    public string? Description { get; set; }

    public JsonElement? Schema { get; set; }

    public bool? Strict { get; set; }
}
