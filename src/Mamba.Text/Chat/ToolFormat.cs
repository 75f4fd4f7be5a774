namespace Mamba.Text.Chat;

/// <summary>How models of a family write calls of functions.</summary>
/// <param name="Begin">What begins a call; empty: the answer is nothing but calls, from its first character.</param>
/// <param name="End">What ends it; empty: the end of the answer.</param>
/// <param name="Body">What stands between.</param>
internal sealed record ToolFormat(string Begin, string End, ToolFormat.Style Body)
{
    /// <summary>The form of one or more calls.</summary>
    internal enum Style
    {
        /// <summary><c>{"name": …, "arguments": {…}}</c></summary>
        Object,

        /// <summary><c>[{"name": …, "arguments": {…}}, …]</c></summary>
        List,

        /// <summary><c>{"name": …, "parameters": {…}}</c>, several with <c>;</c> between them.</summary>
        Parameters,

        /// <summary><c>&lt;function=name&gt;&lt;parameter=key&gt;value&lt;/parameter&gt;&lt;/function&gt;</c></summary>
        Tags,
    }

    /// <summary>What Llama 3 may write before a call.</summary>
    public const string PythonTag = "<|python_tag|>";

    // The markers that templates tell the model to write: Nemotron, Jamba, Granite 3, Hermes (also Qwen, Granite 4 and
    // Falcon-H1).
    private static readonly ToolFormat[] _marked =
    [
        new("<TOOLCALL>", "</TOOLCALL>", Style.List),
        new("<tool_calls>", "</tool_calls>", Style.List),
        new("<|tool_call|>", "", Style.List),
        new("<tool_call>", "</tool_call>", Style.Object),
    ];

    /// <summary>The format of a template; null if the template has no tools.</summary>
    public static ToolFormat? Of(string template)
    {
        if (Array.Find(_marked, format => template.Contains(format.Begin, StringComparison.Ordinal)) is { } found)
        {
            return found.Body == Style.Object && template.Contains("<function=", StringComparison.Ordinal)
                ? found with { Body = Style.Tags } // Nemotron 3, Qwen 3 Coder
                : found;
        }

        return template.Contains("tools", StringComparison.Ordinal) ? new("", "", Style.Parameters) : null;
    }
}
