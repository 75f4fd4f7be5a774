namespace Mamba.Text.Templates;

/// <summary>
/// What a name or member that does not exist gives: empty text, false, an empty list; anything else fails.
/// </summary>
/// <param name="What">What does not exist, for messages.</param>
internal sealed record Undefined(string What);
