using System.Globalization;
using System.Text;
using Mamba.Text.Tokenizing;
using Mamba.Text.Unicode;

namespace Mamba.Text.Files;

/// <summary>The normalizers of <c>tokenizer.json</c>.</summary>
internal static class NormalizerJson
{
    /// <summary>What the text becomes.</summary>
    public static Func<string, string> Read(JsonField node)
    {
        if (node.IsNull)
        {
            return text => text;
        }

        string type = node["type"].Text();
        switch (type)
        {
            case "Sequence":
                Func<string, string>[] all = [.. node["normalizers"].Items().Select(Read)];
                return text => all.Aggregate(text, (current, normalizer) => normalizer(current));
            case "NFC":
                return text => UnicodeForms.Normalize(text, NormalizationForm.FormC);
            case "NFD":
                return text => UnicodeForms.Normalize(text, NormalizationForm.FormD);
            case "NFKC":
                return text => UnicodeForms.Normalize(text, NormalizationForm.FormKC);
            case "NFKD":
                return text => UnicodeForms.Normalize(text, NormalizationForm.FormKD);
            case "Lowercase":
                return Characters.Lowercase;
            case "StripAccents":
                return WithoutMarks;
            case "Prepend":
                string prefix = node["prepend"].Text();
                return text => text.Length > 0 ? prefix + text : text;
            case "Strip":
                bool left = node["strip_left"].Flag(true), right = node["strip_right"].Flag(true);
                return text => left ? right ? text.Trim() : text.TrimStart() : right ? text.TrimEnd() : text;
            case "Replace":
                return ReplacementJson.Read(node);
            case "ByteLevel":
                return ByteAlphabet.Spell;
            default:
                throw Unsupported.Part($"the normalizer {type}");
        }
    }

    private static string WithoutMarks(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark
                or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark))
            {
                result.Append(rune.ToString());
            }
        }

        return result.ToString();
    }
}
