using System.Runtime.CompilerServices;

namespace Mamba.Text.Grammars;

/// <summary>
/// The tokens of a vocabulary by their bytes: a trie whose nodes lie in the order of a depth-first walk.
/// </summary>
internal sealed class TokenTrie
{
    private static readonly ConditionalWeakTable<TextTokenizer, TokenTrie> _ofTokenizers = [];

    private readonly List<(byte Value, int Depth, int End, int FirstToken)> _nodes = [];
    private readonly List<int> _tokens = []; // of the nodes, one after the other
    private readonly byte[][] _bytes;

    private TokenTrie(byte[][] bytes)
    {
        _bytes = bytes;
        int[] ids = [.. Enumerable.Range(0, bytes.Length).Where(id => bytes[id].Length > 0)];
        Array.Sort(ids, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is not 0 and int order ? order : a - b);
        List<int> path = []; // the nodes that lead to the last token
        byte[] last = [];
        foreach (int id in ids)
        {
            int common = last.AsSpan().CommonPrefixLength(bytes[id]);
            Leave(path, common);
            for (int depth = common; depth < bytes[id].Length; depth++)
            {
                path.Add(_nodes.Count);
                _nodes.Add((bytes[id][depth], depth, 0, _tokens.Count));
            }

            _tokens.Add(id);
            last = bytes[id];
        }

        Leave(path, 0);
        Depth = bytes.Select(one => one.Length).DefaultIfEmpty().Max();
    }

    /// <summary>The longest token's number of bytes.</summary>
    public int Depth { get; }

    /// <summary>The trie of a tokenizer, which is made once. Special tokens have no bytes and are not in it.</summary>
    public static TokenTrie Of(TextTokenizer tokenizer) =>
        _ofTokenizers.GetValue(tokenizer, static one => With(one, _ => null));

    /// <summary>The trie of a tokenizer in which some special tokens have bytes.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="visible">The text of a special token by its id; null: it has none.</param>
    public static TokenTrie With(TextTokenizer tokenizer, Func<int, string?> visible) => new(
    [
        .. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => visible(id) is { } text
            ? System.Text.Encoding.UTF8.GetBytes(text)
            : tokenizer.BytesOf(id)),
    ]);

    /// <summary>The bytes of a token.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)_bytes.Length ? _bytes[token] : [];

    /// <summary>Finds the tokens whose bytes may follow.</summary>
    /// <param name="run">The grammar.</param>
    /// <param name="set">Where it is.</param>
    /// <returns>Whether each token is allowed.</returns>
    public bool[] Allowed(GrammarRun run, GrammarRun.PlaceSet set)
    {
        bool[] allowed = new bool[_bytes.Length];
        GrammarRun.PlaceSet[] sets = new GrammarRun.PlaceSet[Depth + 1];
        sets[0] = set;
        int node = 0;
        while (node < _nodes.Count)
        {
            (byte value, int depth, int end, int firstToken) = _nodes[node];
            GrammarRun.PlaceSet next = run.Read(sets[depth], value);
            if (next.IsDead)
            {
                node = end;
                continue;
            }

            sets[depth + 1] = next;
            node++;

            // A token of this node comes before those of the nodes below it.
            int lastToken = node < _nodes.Count ? _nodes[node].FirstToken : _tokens.Count;
            for (int i = firstToken; i < lastToken && _bytes[_tokens[i]].Length == depth + 1; i++)
            {
                allowed[_tokens[i]] = true;
            }
        }

        return allowed;
    }

    private void Leave(List<int> path, int depth)
    {
        for (int i = path.Count - 1; i >= depth; i--)
        {
            _nodes[path[i]] = _nodes[path[i]] with { End = _nodes.Count };
            path.RemoveAt(i);
        }
    }
}
