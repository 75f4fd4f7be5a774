namespace Mamba.Text.Tokenizing;

/// <summary>The rules of byte-pair encoding from the forms in which files have them.</summary>
internal static class MergeRules
{
    /// <summary>The two tokens of a merge written <c>"a b"</c>.</summary>
    public static (string Left, string Right) Pair(string merge)
    {
        int space = merge.IndexOf(' ');
        return space > 0 && space < merge.Length - 1 && merge.IndexOf(' ', space + 1) < 0
            ? (merge[..space], merge[(space + 1)..])
            : throw Unsupported.Data($"the merge \"{merge}\" is not two tokens with a space between them.");
    }

    /// <summary>Rules by the order of a list of pairs.</summary>
    public static Dictionary<(int Left, int Right), MergeRule> OfPairs(
        IEnumerable<(string Left, string Right)> pairs, Dictionary<string, int> vocabulary)
    {
        Dictionary<(int Left, int Right), MergeRule> rules = [];
        foreach ((string left, string right) in pairs)
        {
            rules[(Id(left), Id(right))] = new(rules.Count, Id(left + right));
        }

        return rules;

        int Id(string token) => vocabulary.TryGetValue(token, out int id)
            ? id
            : throw Unsupported.Data($"a merge needs the token \"{token}\", which is not in the vocabulary.");
    }

    /// <summary>
    /// Rules of SentencePiece: two pieces merge if they are a piece together, the highest score first.
    /// </summary>
    /// <param name="pieces">The pieces that text may become, with their scores.</param>
    /// <param name="vocabulary">The ids of these pieces.</param>
    public static Dictionary<(int Left, int Right), MergeRule> OfScores(
        IReadOnlyCollection<(string Piece, float Score)> pieces, Dictionary<string, int> vocabulary)
    {
        Dictionary<float, int> ranks = [];
        foreach (float score in pieces.Select(piece => piece.Score).Distinct().OrderDescending())
        {
            ranks.Add(score, ranks.Count);
        }

        Dictionary<(int Left, int Right), MergeRule> rules = [];
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids =
            vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((string piece, float score) in pieces)
        {
            for (int cut = 1; cut < piece.Length; cut++)
            {
                if (!char.IsLowSurrogate(piece[cut]) && ids.TryGetValue(piece.AsSpan(0, cut), out int left) &&
                    ids.TryGetValue(piece.AsSpan(cut), out int right))
                {
                    rules[(left, right)] = new(ranks[score], vocabulary[piece]);
                }
            }
        }

        return rules;
    }

    /// <summary>The ids of <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>, -1 where one is missing.</summary>
    public static int[] ByteTokens(IReadOnlyDictionary<string, int> vocabulary)
    {
        int[] bytes = new int[256];
        for (int value = 0; value < 256; value++)
        {
            bytes[value] = vocabulary.GetValueOrDefault($"<0x{value:X2}>", -1);
        }

        return bytes;
    }
}
