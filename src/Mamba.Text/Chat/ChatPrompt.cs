using System.Text;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>Turns messages of .NET's chat interface into those of templates.</summary>
internal static class ChatPrompt
{
    /// <summary>The messages.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="instructions">A system message that comes before; null: none.</param>
    /// <exception cref="NotSupportedException">A message has contents other than text.</exception>
    public static List<ChatTemplateMessage> Of(IEnumerable<ChatMessage> messages, string? instructions)
    {
        List<ChatTemplateMessage> all = [.. messages.Select(Of)];
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

    private static ChatTemplateMessage Of(ChatMessage message)
    {
        StringBuilder text = new(), reasoning = new();
        foreach (AIContent content in message.Contents)
        {
            _ = content switch
            {
                TextContent part => text.Append(part.Text),
                TextReasoningContent part => reasoning.Append(part.Text),
                _ => throw new NotSupportedException(
                    $"Expected messages of text; found {content.GetType().Name} in a message of \"{message.Role}\"."),
            };
        }

        ChatTemplateMessage made = new(message.Role.Value, text.ToString());
        return reasoning.Length == 0
            ? made
            : made with { Members = new Dictionary<string, object?> { ["reasoning_content"] = reasoning.ToString() } };
    }
}
