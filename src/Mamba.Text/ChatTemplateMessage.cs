namespace Mamba.Text;

/// <summary>A message of a conversation, as chat templates have it.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">The text; null for an assistant's message that only calls tools.</param>
/// <example>
/// <code>
/// ChatTemplate template = ChatTemplate.Parse(tokenizer.ChatTemplate!);
/// ChatTemplateMessage[] messages = [new("system", "Be brief."), new("user", "What is Mamba?")];
/// string text = template.Render(messages, tokenizer);
/// </code>
/// </example>
public sealed record ChatTemplateMessage(string Role, string? Content)
{
    /// <summary>
    /// Other members, such as <c>tool_calls</c>: texts, numbers, booleans, null, lists, dictionaries by text, or
    /// <see cref="System.Text.Json.JsonElement"/>.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Members { get; init; } = new Dictionary<string, object?>();

    internal IEnumerable<(string Name, object? Value)> AllMembers() =>
        Members.Select(member => (member.Key, member.Value)).Prepend(("content", Content)).Prepend(("role", Role));
}
