using System.Text.Json;
using Mamba.Models.Generation;
using Mamba.Server.Http;
using Microsoft.Extensions.AI;

namespace Mamba.Server.Wire;

/// <summary>Turns requests for responses into .NET's chat interface.</summary>
internal static class ResponseMapping
{
    /// <summary>The messages of the field <c>input</c>.</summary>
    /// <exception cref="ApiException">There are none, or some that this server does not have.</exception>
    public static List<ChatMessage> MessagesOf(JsonElement? input)
    {
        const string Name = "input";
        return input switch
        {
            { ValueKind: JsonValueKind.String } text => [new(ChatRole.User, text.GetString())],
            { ValueKind: JsonValueKind.Array } items when items.GetArrayLength() > 0 =>
                [.. items.EnumerateArray().Select((item, index) => MessageOf(item, $"{Name}[{index}]"))],
            _ => throw ApiException.Field(Name, "expected a text or a list of items; found none."),
        };
    }

    /// <summary>Options of the answer.</summary>
    /// <exception cref="ApiException">A field is out of its range, or one that this server does not have.</exception>
    public static ChatOptions OptionsOf(ResponseRequest request, MambaServerOptions options)
    {
        foreach ((string name, bool isUsed) in new[]
        {
            ("n", request.N is not (null or 1)), ("max_tokens", request.MaxTokens is not null),
            ("stream_options.include_usage", request.HasUsage),
        })
        {
            if (isUsed)
            {
                throw ApiException.Field(
                    name, "responses do not have this field. Leave it out.", "unsupported_parameter");
            }
        }

        if (request.Text?.Others?.Keys.FirstOrDefault() is { } unknown)
        {
            throw ApiException.Field(
                $"text.{unknown}", "this server does not have this field. Leave it out.", "unsupported_parameter");
        }

        ResponseTextFormat? format = request.Text?.Format;
        GenerationOptions generation =
            request.ReadGeneration(options, request.MaxOutputTokens, "max_output_tokens") with
            {
                LogProbabilities = request.ReadLogProbabilities(),
            };
        ChatOptions made = ChatMapping.OptionsOf(generation);
        made.Instructions = request.Instructions;
        made.StopSequences = request.ReadStops();
        if (request.Reasoning?.Others?.Keys.FirstOrDefault() is { } other)
        {
            throw ApiException.Field(
                $"reasoning.{other}", "this server does not have this field. Leave it out.", "unsupported_parameter");
        }

        made.Reasoning = ChatMapping.ReasoningOf(request.Reasoning?.Effort, "reasoning.effort");
        made.Tools = [.. (request.Tools ?? []).Select((tool, index) => ChatMapping.ToolOf(
            new()
            {
                Type = tool?.Type,
                Function = new()
                {
                    Name = tool?.Name, Description = tool?.Description, Parameters = tool?.Parameters,
                },
            },
            $"tools[{index}]"))];
        made.ToolMode = ChatMapping.ToolModeOf(request.ToolChoice);
        made.AllowMultipleToolCalls = request.ParallelToolCalls;
        made.ResponseFormat = format is null
            ? null
            : ChatMapping.FormatOf(new()
            {
                Type = format.Type,
                JsonSchema = new() { Name = format.Name, Description = format.Description, Schema = format.Schema },
            });
        return made;
    }

    private static ChatMessage MessageOf(JsonElement item, string path)
    {
        string type = ContentText.StringOf(item, "type") ?? "message";
        switch (type)
        {
            case "function_call":
                return new(ChatRole.Assistant,
                [
                    new FunctionCallContent(
                        Needed(item, "call_id", path), Needed(item, "name", path),
                        ChatMapping.ArgumentsOf(ContentText.StringOf(item, "arguments"), $"{path}.arguments")),
                ]);
            case "function_call_output":
                return new(ChatRole.Tool,
                [
                    new FunctionResultContent(
                        Needed(item, "call_id", path),
                        ContentText.Read(Member(item, "output"), $"{path}.output")),
                ]);
            case "reasoning":
                JsonElement[] parts = Member(item, "content") is { ValueKind: JsonValueKind.Array } list
                    ? [.. list.EnumerateArray()]
                    : [];
                string thought = string.Concat(parts.Select(part => ContentText.StringOf(part, "text")));
                return new(ChatRole.Assistant, [new TextReasoningContent(thought)]);
            case "message":
                ChatRole role = ContentText.StringOf(item, "role") switch
                {
                    "system" or "developer" => ChatRole.System,
                    "user" => ChatRole.User,
                    "assistant" => ChatRole.Assistant,
                    var other => throw ApiException.Field(
                        $"{path}.role", $"expected system, developer, user or assistant; found \"{other}\"."),
                };
                return new(role, ContentText.Read(Member(item, "content"), $"{path}.content"));
            default:
                throw ApiException.Field(
                    path, $"expected message, function_call, function_call_output or reasoning; found {type}.");
        }
    }

    private static string Needed(JsonElement item, string name, string path) =>
        ContentText.StringOf(item, name) is { Length: > 0 } text
            ? text
            : throw ApiException.Field($"{path}.{name}", "expected a text; found none.");

    private static JsonElement? Member(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out JsonElement value) ? value : null;
}
