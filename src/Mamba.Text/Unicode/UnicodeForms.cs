using System.Globalization;
using System.Text;

namespace Mamba.Text.Unicode;

/// <summary>The normalization forms of Unicode (UAX #15).</summary>
/// <remarks>
/// <see cref="string.Normalize(NormalizationForm)"/> returns its input unchanged where globalization is invariant, as
/// it is in many containers, and elsewhere follows the version of the system's ICU. A tokenizer must give the same
/// tokens everywhere, so the tables are ours; <c>eng/unicode-forms.sh</c> writes them from the Unicode Character
/// Database.
/// </remarks>
internal static class UnicodeForms
{
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7;
    private const int LCount = 19, VCount = 21, TCount = 28, SCount = LCount * VCount * TCount;

    private static readonly Lazy<Tables> _tables = new(Tables.Read);

    /// <summary>The text in a normalization form.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="form">The form.</param>
    public static string Normalize(string text, NormalizationForm form)
    {
        // Below U+0300 nothing combines, and NFC leaves every character; the other forms change some from U+00A0 on.
        char last = form == NormalizationForm.FormC ? '\u02FF' : '\u009F';
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', last))
        {
            return text;
        }

        Tables tables = _tables.Value;
        bool compatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        List<int> codes = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(tables, rune.Value, compatible, codes);
        }

        Order(tables, codes);
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC)
        {
            Compose(tables, codes);
        }

        StringBuilder result = new(text.Length);
        Span<char> two = stackalloc char[2];
        foreach (int code in codes)
        {
            result.Append(two[..new Rune(code).EncodeToUtf16(two)]);
        }

        return result.ToString();
    }

    private static void Decompose(Tables tables, int code, bool compatible, List<int> codes)
    {
        if (code is >= SBase and < SBase + SCount)
        {
            int syllable = code - SBase;
            codes.Add(LBase + (syllable / (VCount * TCount)));
            codes.Add(VBase + (syllable % (VCount * TCount) / TCount));
            if (syllable % TCount != 0)
            {
                codes.Add(TBase + (syllable % TCount));
            }
        }
        else if (tables.Canonical.TryGetValue(code, out int[]? parts) ||
            (compatible && tables.Compatible.TryGetValue(code, out parts)))
        {
            foreach (int part in parts)
            {
                Decompose(tables, part, compatible, codes);
            }
        }
        else
        {
            codes.Add(code);
        }
    }

    // Marks of one base stand in the order of their classes; marks of equal class keep theirs.
    private static void Order(Tables tables, List<int> codes)
    {
        int from = 0;
        for (int i = 0; i <= codes.Count; i++)
        {
            if (i < codes.Count && tables.ClassOf(codes[i]) != 0)
            {
                continue;
            }

            if (i - from > 1)
            {
                int[] marks = [.. codes[from..i].OrderBy(tables.ClassOf)];
                for (int k = 0; k < marks.Length; k++)
                {
                    codes[from + k] = marks[k];
                }
            }

            from = i + 1;
        }
    }

    private static void Compose(Tables tables, List<int> codes)
    {
        int starter = -1, kept = 0, lastClass = 0;
        for (int i = 0; i < codes.Count; i++)
        {
            int code = codes[i], own = tables.ClassOf(code);
            bool adjacent = starter >= 0 && starter == kept - 1;
            if (starter >= 0 && (adjacent || lastClass < own) &&
                Composed(tables, codes[starter], code) is { } composed)
            {
                codes[starter] = composed;
                continue;
            }

            codes[kept] = code; // kept is at most i, so nothing unread is lost
            if (own == 0)
            {
                starter = kept;
            }

            lastClass = own;
            kept++;
        }

        codes.RemoveRange(kept, codes.Count - kept);
    }

    private static int? Composed(Tables tables, int first, int second)
    {
        if (first is >= LBase and < LBase + LCount && second is >= VBase and < VBase + VCount)
        {
            return SBase + ((((first - LBase) * VCount) + second - VBase) * TCount);
        }

        if (first is >= SBase and < SBase + SCount && (first - SBase) % TCount == 0 &&
            second is > TBase and < TBase + TCount)
        {
            return first + second - TBase;
        }

        return tables.Pairs.TryGetValue((first, second), out int composed) ? composed : null;
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, int> _classes = [];

        public Dictionary<int, int[]> Canonical { get; } = [];

        public Dictionary<int, int[]> Compatible { get; } = [];

        public Dictionary<(int First, int Second), int> Pairs { get; } = [];

        public int ClassOf(int code) => code < 0x300 ? 0 : _classes.GetValueOrDefault(code);

        public static Tables Read()
        {
            Tables tables = new();
            using StreamReader reader = new(typeof(UnicodeForms).Assembly.GetManifestResourceStream("Forms.txt")!);
            while (reader.ReadLine() is { } line)
            {
                int at = line.AsSpan().IndexOfAny("=!~:");
                if (line[at] == ':')
                {
                    int dash = line.IndexOf('-'), last = Hex(line[(dash + 1)..at]);
                    int of = int.Parse(line[(at + 1)..], CultureInfo.InvariantCulture);
                    for (int code = Hex(line[..dash]); code <= last; code++)
                    {
                        tables._classes.Add(code, of);
                    }

                    continue;
                }

                int[] parts = [.. line[(at + 1)..].Split(' ').Select(Hex)];
                int whole = Hex(line[..at]);
                (line[at] == '~' ? tables.Compatible : tables.Canonical).Add(whole, parts);
                if (line[at] == '=')
                {
                    tables.Pairs.Add((parts[0], parts[1]), whole);
                }
            }

            return tables;
        }

        private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
