using System.Text.Json;
using Mamba.Models.Generation;
using Mamba.Server.Http;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Wire;

/// <summary>Turns requests about conversations into .NET's chat interface.</summary>
internal static class ChatMapping
{
    /// <summary>The messages of a request.</summary>
    /// <exception cref="ApiException">A message has no known role, or contents other than text.</exception>
    public static List<ChatMessage> MessagesOf(IReadOnlyList<WireMessage>? messages)
    {
        const string Name = "messages";
        return messages is { Count: > 0 }
            ? [.. messages.Select((message, index) => MessageOf(message, $"{Name}[{index}]"))]
            : throw ApiException.Field(Name, "expected at least one message; found none.");
    }

    /// <summary>Options of the answers, but for the seed of each.</summary>
    /// <exception cref="ApiException">A field is out of its range.</exception>
    public static ChatOptions OptionsOf(ChatRequest request, MambaServerOptions options)
    {
        if (request is { MaxTokens: { } old, MaxCompletionTokens: { } own } && old != own)
        {
            throw ApiException.Field("max_tokens", $"expected max_completion_tokens, {own}, or nothing; found {old}.");
        }

        GenerationOptions generation = request.ReadGeneration(
            options, request.MaxCompletionTokens ?? request.MaxTokens,
            request.MaxCompletionTokens is null ? "max_tokens" : "max_completion_tokens") with
        {
            LogProbabilities = request.ReadLogProbabilities(),
        };
        ChatOptions made = OptionsOf(generation);
        made.StopSequences = request.ReadStops();
        made.Reasoning = ReasoningOf(request.ReasoningEffort, "reasoning_effort");
        made.Tools = [.. (request.Tools ?? []).Select((tool, index) => ToolOf(tool, $"tools[{index}]"))];
        made.ToolMode = ToolModeOf(request.ToolChoice);
        made.AllowMultipleToolCalls = request.ParallelToolCalls;
        made.ResponseFormat = FormatOf(request.ResponseFormat);
        if (request.ChatTemplateKwargs is { Count: > 0 } variables)
        {
            made.AdditionalProperties = [];
            foreach ((string name, JsonElement value) in variables)
            {
                made.AdditionalProperties[name] = value;
            }
        }

        return made;
    }

    /// <summary>Options that generate in this way.</summary>
    public static ChatOptions OptionsOf(GenerationOptions generation) =>
        new() { RawRepresentationFactory = _ => generation, Seed = unchecked((long)generation.Sampling.Seed) };

    /// <summary>The same options with another seed.</summary>
    public static ChatOptions WithSeed(ChatOptions options, int offset)
    {
        ChatOptions copy = options.Clone();
        copy.Seed = unchecked(options.Seed + offset);
        return copy;
    }

    /// <summary>A function that the model may call.</summary>
    /// <exception cref="ApiException">It is no function, or has no name.</exception>
    public static AITool ToolOf(WireTool tool, string path)
    {
        if (tool is not { Type: "function", Function: { Name.Length: > 0 } function })
        {
            throw ApiException.Field(path, $"expected a function with a name; found \"{tool?.Type}\".");
        }

        return Declare(function, path);
    }

    /// <summary>A function as .NET's chat interface has it.</summary>
    public static AITool Declare(WireFunction function, string path)
    {
        JsonElement parameters = function.Parameters is { ValueKind: not JsonValueKind.Null } schema
            ? schema
            : JsonElement.Parse("""{"type":"object","properties":{}}""");
        return parameters.ValueKind == JsonValueKind.Object
            ? AIFunctionFactory.CreateDeclaration(function.Name!, function.Description, parameters)
            : throw ApiException.Field($"{path}.parameters", $"expected a schema; found {parameters.ValueKind}.");
    }

    /// <summary>
    /// Whether the model calls functions: <c>none</c>, <c>auto</c>, <c>required</c>, or one by its name.
    /// </summary>
    /// <exception cref="ApiException">It is none of these.</exception>
    public static ChatToolMode? ToolModeOf(JsonElement? choice)
    {
        const string Name = "tool_choice";
        if (choice is not { ValueKind: not JsonValueKind.Null } some)
        {
            return null;
        }

        string? function = some.ValueKind == JsonValueKind.Object
            ? ContentText.StringOf(
                some.TryGetProperty("function", out JsonElement inner) ? inner : some, "name")
            : null;
        return some.ValueKind == JsonValueKind.String
            ? some.GetString() switch
            {
                "none" => ChatToolMode.None,
                "auto" => ChatToolMode.Auto,
                "required" => ChatToolMode.RequireAny,
                var other => throw ApiException.Field(
                    Name, $"expected none, auto, required or a function; found \"{other}\"."),
            }
            : function is not null
                ? ChatToolMode.RequireSpecific(function)
                : throw ApiException.Field(Name, "expected none, auto, required or a function with a name.");
    }

    /// <summary>
    /// How much the model thinks: <c>none</c>, <c>low</c>, <c>medium</c>, <c>high</c> or <c>xhigh</c>.
    /// </summary>
    /// <exception cref="ApiException">It is none of these.</exception>
    public static ReasoningOptions? ReasoningOf(string? effort, string field) => effort is null ? null : new()
    {
        Effort = effort switch
        {
            "none" => ReasoningEffort.None,
            "low" => ReasoningEffort.Low,
            "medium" => ReasoningEffort.Medium,
            "high" => ReasoningEffort.High,
            "xhigh" => ReasoningEffort.ExtraHigh,
            _ => throw ApiException.Field(field, $"expected none, low, medium, high or xhigh; found \"{effort}\"."),
        },
    };

    /// <summary>The form of the answer.</summary>
    /// <exception cref="ApiException">It is none of the known ones.</exception>
    public static ChatResponseFormat? FormatOf(ResponseFormat? format) => format switch
    {
        null => null,
        { Type: "text" } => ChatResponseFormat.Text,
        { Type: "json_object" } => ChatResponseFormat.Json,
        { Type: "json_schema", JsonSchema: { Schema: { ValueKind: JsonValueKind.Object } schema } fields } =>
            ChatResponseFormat.ForJsonSchema(schema, fields.Name, fields.Description),
        { Type: "json_schema" } => throw ApiException.Field(
            "response_format", "expected json_schema.schema, an object; found none."),
        _ => throw ApiException.Field(
            "response_format", $"expected text, json_object or json_schema; found \"{format.Type}\"."),
    };

    /// <summary>Arguments of a call, from their JSON.</summary>
    /// <exception cref="ApiException">They are no object.</exception>
    public static Dictionary<string, object?> ArgumentsOf(string? json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(string.IsNullOrWhiteSpace(json) ? "{}" : json);
            return document.RootElement.EnumerateObject()
                .ToDictionary(member => member.Name, member => (object?)member.Value.Clone());
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw ApiException.Field(path, "expected a JSON object in a text.");
        }
    }

    private static ChatMessage MessageOf(WireMessage message, string path)
    {
        if (message?.Others?.Keys.FirstOrDefault() is { } unknown)
        {
            throw ApiException.Field(
                $"{path}.{unknown}", "this server does not have this field. Leave it out.", "unsupported_parameter");
        }

        string text = ContentText.Read(message?.Content, $"{path}.content");
        if (message?.Role == "tool")
        {
            return message.ToolCallId is { Length: > 0 } id
                ? new(ChatRole.Tool, [new FunctionResultContent(id, text)])
                : throw ApiException.Field($"{path}.tool_call_id", "expected the id of a call; found none.");
        }

        ChatRole role = message?.Role switch
        {
            "system" or "developer" => ChatRole.System,
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            var other => throw ApiException.Field(
                $"{path}.role", $"expected system, developer, user, assistant or tool; found \"{other}\"."),
        };
        ChatMessage made = new(role, text + message.Refusal) { AuthorName = message.Name };
        if (message.ReasoningContent is { Length: > 0 } reasoning)
        {
            made.Contents.Insert(0, new TextReasoningContent(reasoning));
        }

        foreach (WireToolCall call in message.ToolCalls ?? [])
        {
            made.Contents.Add(new FunctionCallContent(
                call.Id ?? "", call.Function?.Name ?? "",
                ArgumentsOf(call.Function?.Arguments, $"{path}.tool_calls")));
        }

        return made;
    }
}
