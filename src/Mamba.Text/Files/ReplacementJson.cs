using System.Text;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>Replacements and patterns of <c>tokenizer.json</c>.</summary>
internal static class ReplacementJson
{
    /// <summary>A replacement: every match of <c>pattern</c> becomes <c>content</c>.</summary>
    public static Func<string, string> Read(JsonField node)
    {
        string content = node["content"].Text();
        PiecePattern pattern = Pattern(node["pattern"]);
        return text => Replace(text, pattern, content);
    }

    /// <summary>A pattern: <c>{"String": ...}</c> or <c>{"Regex": ...}</c>.</summary>
    public static PiecePattern Pattern(JsonField node) =>
        !node["String"].IsNull ? PiecePattern.OfLiteral(node["String"].Text())
            : PiecePattern.OfRegex(node["Regex"].Text());

    private static string Replace(string text, PiecePattern pattern, string content)
    {
        List<(int Start, int End)> matches = [];
        pattern.Find(text, matches);
        if (matches.Count == 0)
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        int done = 0;
        foreach ((int start, int end) in matches)
        {
            result.Append(text, done, start - done).Append(content);
            done = end;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }
}
