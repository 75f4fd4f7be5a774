using System.Text;
using System.Text.Json;
using Mamba.Text.Grammars;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>Turns messages and tools of .NET's chat interface into those of templates.</summary>
internal static class ChatPrompt
{
    /// <summary>The messages.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="instructions">A system message that comes before; null: none.</param>
    /// <exception cref="NotSupportedException">
    /// A message has contents other than text, reasoning, calls and their results.
    /// </exception>
    public static List<ChatTemplateMessage> Of(IEnumerable<ChatMessage> messages, string? instructions)
    {
        Dictionary<string, string> names = []; // of the functions, by their calls
        List<ChatTemplateMessage> all = [.. messages.SelectMany(message => Of(message, names))];
        if (!string.IsNullOrEmpty(instructions))
        {
            // Templates take one system message, at the beginning.
            bool hasSystem = all is [{ Role: "system" }, ..];
            string content = hasSystem ? $"{instructions}\n{all[0].Content}" : instructions;
            all.RemoveRange(0, hasSystem ? 1 : 0);
            all.Insert(0, new("system", content));
        }

        return all;
    }

    /// <summary>The description of a function, in the form of OpenAI, which templates take.</summary>
    public static object Of(AIFunctionDeclaration function) => new Dictionary<string, object?>
    {
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?>
        {
            ["name"] = function.Name,
            ["description"] = function.Description,
            ["parameters"] = function.JsonSchema,
        },
    };

    private static List<ChatTemplateMessage> Of(ChatMessage message, Dictionary<string, string> names)
    {
        StringBuilder text = new(), reasoning = new();
        List<object?> calls = [];
        List<ChatTemplateMessage> results = [];
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case TextReasoningContent part:
                    reasoning.Append(part.Text);
                    break;
                case FunctionCallContent call:
                    names[call.CallId] = call.Name;
                    calls.Add(CallOf(call));
                    break;
                case FunctionResultContent result:
                    results.Add(ResultOf(result, names.GetValueOrDefault(result.CallId)));
                    break;
                case UsageContent:
                    break; // of an answer that is given back
                default:
                    throw new NotSupportedException(
                        $"Expected messages of text; found {content.GetType().Name} in a message of " +
                        $"\"{message.Role}\".");
            }
        }

        Dictionary<string, object?> members = [];
        if (reasoning.Length > 0)
        {
            members["reasoning_content"] = reasoning.ToString();
        }

        if (calls.Count > 0)
        {
            members["tool_calls"] = calls;
        }

        ChatTemplateMessage made = new(message.Role.Value, text.ToString()) { Members = members };
        return results.Count == 0 ? [made] : text.Length + members.Count > 0 ? [made, .. results] : results;
    }

    private static Dictionary<string, object?> CallOf(FunctionCallContent call) => new()
    {
        ["id"] = call.CallId,
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?>
        {
            ["name"] = call.Name,
            ["arguments"] = (call.Arguments ?? new Dictionary<string, object?>()).ToDictionary(
                argument => argument.Key, argument => (object?)Json(argument.Value)),
        },
    };

    private static ChatTemplateMessage ResultOf(FunctionResultContent result, string? name)
    {
        string? text = result.Result switch
        {
            string own => own,
            JsonElement { ValueKind: JsonValueKind.String } own => own.GetString(),
            null => result.Exception?.Message ?? "null",
            object value => SchemaChecks.Compact(Json(value)),
        };
        return new("tool", text)
        {
            Members = new Dictionary<string, object?> { ["tool_call_id"] = result.CallId, ["name"] = name },
        };
    }

    private static JsonElement Json(object? value) => value is JsonElement element
        ? element
        : JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object)));
}
