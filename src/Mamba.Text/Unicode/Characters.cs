using System.Globalization;
using System.Text;

namespace Mamba.Text.Unicode;

/// <summary>Classes of characters as the Hugging Face tokenizers define them.</summary>
internal static class Characters
{
    /// <summary>Letters, marks, decimal digits, connectors and joiners: <c>\w</c>.</summary>
    public static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber
            or UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.OtherSymbol => rune.Value is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => rune.Value is 0x200C or 0x200D,
    };

    /// <summary>Punctuation of Unicode, and what ASCII counts as such: <c>$+&lt;=&gt;^`|~</c>.</summary>
    public static bool IsPunctuation(Rune rune) =>
        rune.IsAscii ? char.IsAsciiLetterOrDigit((char)rune.Value) is false && rune.Value is > 32 and < 127
            : Rune.IsPunctuation(rune);

    /// <summary>Text with U+FFFD in place of surrogates that have no partner, as UTF-8 would have it.</summary>
    public static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return text;
        }

        StringBuilder? changed = null;
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                changed ??= new(text);
                changed[i] = '\uFFFD';
            }
        }

        return changed?.ToString() ?? text;
    }

    /// <summary>Every character in lower case by itself, independent of culture and of its neighbours.</summary>
    public static string Lowercase(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            // U+0130 is the one character whose lower case is two characters.
            _ = rune.Value == 0x130 ? result.Append("i\u0307") : result.Append(Rune.ToLowerInvariant(rune));
        }

        return result.ToString();
    }
}
