namespace Mamba.Text.Templates;

/// <summary>A template cannot be rendered; <see cref="ChatTemplate"/> says where.</summary>
/// <param name="message">Why.</param>
/// <param name="isUnsupported">Whether Jinja could, and this library cannot.</param>
internal sealed class TemplateFault(string message, bool isUnsupported = false) : Exception(message)
{
    /// <summary>Whether Jinja could, and this library cannot.</summary>
    public bool IsUnsupported => isUnsupported;

    /// <summary>What the library does not have.</summary>
    public static TemplateFault Unsupported(string what) => new($"{what} is not supported", isUnsupported: true);

    /// <summary>The exception that callers see.</summary>
    public Exception At(Position position) => isUnsupported
        ? new NotSupportedException($"Chat template, {position}: {Message}.", this)
        : new InvalidDataException($"Chat template, {position}: {Message}.", this);
}
