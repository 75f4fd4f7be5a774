namespace Mamba.Text;

/// <summary>
/// Bounds of chat templates, which come from files of other people: a template that exceeds one fails with a message.
/// </summary>
/// <example>
/// <code>
/// ChatTemplateOptions options = new() { MaxSteps = 100_000, MaxCreated = 1_000_000 };
/// ChatTemplate template = ChatTemplate.Parse(tokenizer.ChatTemplate!, options);
/// </code>
/// </example>
public sealed record ChatTemplateOptions
{
    /// <summary>Steps of one rendering: operators, members, calls, rounds of loops.</summary>
    public long MaxSteps { get; init; } = 10_000_000;

    /// <summary>Characters and items that one rendering makes, in its output and on the way to it.</summary>
    public long MaxCreated { get; init; } = 100_000_000;

    /// <summary>How deep expressions and blocks are nested in each other.</summary>
    public int MaxDepth { get; init; } = 100;

    /// <summary>The length of a template in characters.</summary>
    public int MaxLength { get; init; } = 1_000_000;

    /// <summary>The clock of the function <c>strftime_now</c>; some templates tell the model the date.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
