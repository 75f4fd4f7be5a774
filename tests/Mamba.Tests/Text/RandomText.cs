using System.Globalization;
using System.Text;

namespace Mamba.Tests.Text;

/// <summary>Random texts of the kinds at which tokenizers err.</summary>
internal static class RandomText
{
    private static readonly string[] _bits =
    [
        "'s", "'S", "'\u017F", "'ll", "'LL", "'re", "'VE", "'d", "'m", "\u2019s", " ", "  ", "   ", "       ", "\n",
        "\r\n", "\n\n", "\t", " \n ", "\u00A0", "\u3000", "\u2028", "\u0085", "\u200B", "\u200D", "\uFEFF", "0", "12",
        "345", "67890", "\u0661\u0662", "\u00B2", "\u2164", "\U0001D7CE", "\U000104A0", "\U0001F100", "e\u0301",
        "\u00E9", "\u0301", "\u0323", "\u0344", "\u1E9B\u0323", "\uAC00\u11A8", "\u1112\u1161\u11AB", "\u0958",
        "\u2126", "\u212B", "\u212A", "\uFB01", "\u2460", "\u0130", "\u0131", "\u00DF", "\u03A3", "\u01C5", "\u02B0",
        "\u0E01\u0E34", "\u0928\u093F", "\U00010400", "\U00010428", "\U00020000", "\U0001E900", "\U0001D16D",
        "\U000E0001", "\U0001F600", "\U0001F469\u200D\U0001F467", "\U0001F1E9\U0001F1EA", "\U000F0000", "\U0010FFFF",
        "\u0378", "\uFFFD", "_", "__", ".", "...", "!?", "$", "+=", "<", ">", "|", "^", "~", "`", "/", "//\n", "#\n\n",
        "\u2581", "\u2581a", "\u4E2D\u6587", "\u65E5\u672C\u8A9E", "\u043F\u0440\u0438", "\u0645\u0631", "the", "The",
        " the", " God", "and", "ing", "LORD", "McDonald", "aB", "Ab", "ABc", "x1y2", "\u0000", "\u0001", "\u007F",
        "\u00AD", "\u0120",
    ];

    /// <summary>A text of some characters.</summary>
    /// <param name="random">The source.</param>
    /// <param name="words">Pieces that occur in it besides.</param>
    /// <param name="halves">Whether halves of surrogate pairs occur.</param>
    /// <param name="omitted">Categories of which no random characters occur.</param>
    public static string Next(
        Random random, string[] words, bool halves = false, params ReadOnlySpan<UnicodeCategory> omitted)
    {
        StringBuilder text = new();
        int count = random.Next(1, 24);
        for (int i = 0; i < count; i++)
        {
            switch (random.Next(halves ? 7 : 6))
            {
                case 0 or 1:
                    text.Append(_bits[random.Next(_bits.Length)]);
                    break;
                case 2 when words.Length > 0:
                    text.Append(words[random.Next(words.Length)]);
                    break;
                case 3:
                    text.Append((char)random.Next(0x20, 0x7F));
                    break;
                case 4:
                    text.Append(Character(random, 0x3000, omitted));
                    break;
                case 5 when random.Next(4) == 0:
                    text.Append(Character(random, 0x110000, omitted));
                    break;
                case 6:
                    text.Append((char)random.Next(0xD800, 0xE000));
                    break;
                default:
                    text.Append((char)('a' + random.Next(26)));
                    break;
            }
        }

        return text.ToString();
    }

    // Characters that some version of Unicode has left open have other categories in other libraries.
    private static string Character(Random random, int limit, ReadOnlySpan<UnicodeCategory> omitted)
    {
        while (true)
        {
            int code = random.Next(1, limit);
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(code);
            if (code is < 0xD800 or > 0xDFFF && category != UnicodeCategory.OtherNotAssigned &&
                !omitted.Contains(category))
            {
                return char.ConvertFromUtf32(code);
            }
        }
    }
}
