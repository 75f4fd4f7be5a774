using System.Text.RegularExpressions;

namespace Mamba.Models.Hub;

/// <summary>The name of a model on the hub: <c>organisation/name[@revision][:file]</c>.</summary>
/// <param name="Repository">The organisation, a slash, and the name.</param>
/// <param name="Revision">A branch, a tag or a commit.</param>
/// <param name="File">A GGUF file, or a part of its name such as Q4_K_M; null: as the repository has it.</param>
internal sealed partial record HubName(string Repository, string Revision, string? File)
{
    /// <summary>Whether a text has the form of a name.</summary>
    public static bool Fits(string text) => Form().IsMatch(text) && !text.Contains("..", StringComparison.Ordinal);

    /// <summary>Reads a name.</summary>
    /// <exception cref="ArgumentException">The text is no name of a model.</exception>
    public static HubName Parse(string text)
    {
        Match match = Form().Match(text);
        return Fits(text)
            ? new(
                match.Groups["repository"].Value,
                match.Groups["revision"] is { Success: true } revision ? revision.Value : "main",
                match.Groups["file"] is { Success: true } file ? file.Value : null)
            : throw new ArgumentException(
                "Expected the name of a model on the hub, such as org/name, org/name@revision or org/name:Q4_K_M; " +
                $"found \"{text}\".",
                nameof(text));
    }

    /// <summary>The repository's folder in the cache.</summary>
    public string Folder => $"models--{Repository.Replace("/", "--", StringComparison.Ordinal)}";

    [GeneratedRegex(
        @"^(?<repository>\w[\w.-]{0,95}/\w[\w.-]{0,95})" +
        @"(@(?<revision>\w[\w./-]{0,199}))?(:(?<file>\w[\w./-]{0,199}))?$",
        RegexOptions.ECMAScript)]
    private static partial Regex Form();
}
