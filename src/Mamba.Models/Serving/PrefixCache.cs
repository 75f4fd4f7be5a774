namespace Mamba.Models.Serving;

/// <summary>
/// States of texts by their tokens. A state cannot be cut back to fewer tokens, so only exact prefixes help: the
/// longest one of a prompt is found by hashes of its prefixes.
/// </summary>
/// <param name="budget">Most bytes; the state that was used longest ago goes first.</param>
internal sealed class PrefixCache(long budget) : IDisposable
{
    private readonly Dictionary<(int Length, ulong Hash), LinkedListNode<Entry>> _entries = [];
    private readonly SortedDictionary<int, int> _lengths = new(Comparer<int>.Create((a, b) => b.CompareTo(a)));
    private readonly LinkedList<Entry> _recent = []; // the last used first

    /// <summary>Memory of the states.</summary>
    public long Bytes { get; private set; }

    /// <summary>Finds the state of the longest prefix.</summary>
    /// <param name="tokens">The text.</param>
    /// <param name="most">Most tokens of the prefix.</param>
    /// <returns>The state, which the cache owns, and its number of tokens; null and 0: none.</returns>
    public (ModelState? State, int Length) Find(ReadOnlySpan<int> tokens, int most)
    {
        if (_entries.Count == 0)
        {
            return (null, 0);
        }

        ulong[] hashes = Hashes(tokens[..most]);
        foreach (int length in _lengths.Keys)
        {
            if (length <= most
                && _entries.TryGetValue((length, hashes[length]), out LinkedListNode<Entry>? node)
                && tokens[..length].SequenceEqual(node.Value.Tokens))
            {
                _recent.Remove(node);
                _recent.AddFirst(node);
                return (node.Value.State, length);
            }
        }

        return (null, 0);
    }

    /// <summary>The largest number of tokens with which both a text and one of the cached ones begin.</summary>
    public int CommonLength(ReadOnlySpan<int> tokens)
    {
        int longest = 0;
        foreach (Entry entry in _recent)
        {
            longest = Math.Max(longest, tokens.CommonPrefixLength(entry.Tokens));
        }

        return longest;
    }

    /// <summary>Keeps the state of a text, if there is none and it fits.</summary>
    /// <param name="tokens">The text.</param>
    /// <param name="bytes">Memory of the state.</param>
    /// <param name="copy">Makes the state, which the cache owns then.</param>
    public void Add(ReadOnlySpan<int> tokens, long bytes, Func<ModelState> copy)
    {
        (int Length, ulong Hash) key = (tokens.Length, Hashes(tokens)[^1]);
        bytes += (long)tokens.Length * sizeof(int);
        if (bytes > budget || _entries.ContainsKey(key))
        {
            return;
        }

        while (Bytes + bytes > budget)
        {
            Remove(_recent.Last!);
        }

        Entry entry = new(key, tokens.ToArray(), copy(), bytes);
        _entries.Add(key, _recent.AddFirst(entry));
        _lengths[key.Length] = _lengths.GetValueOrDefault(key.Length) + 1;
        Bytes += bytes;
    }

    public void Dispose()
    {
        while (_recent.Last is { } node)
        {
            Remove(node);
        }
    }

    /// <summary>The hash of every prefix, by its length.</summary>
    private static ulong[] Hashes(ReadOnlySpan<int> tokens)
    {
        ulong[] hashes = new ulong[tokens.Length + 1];
        for (int i = 0; i < tokens.Length; i++)
        {
            ulong mixed = (hashes[i] ^ (uint)tokens[i]) * 0x9E3779B97F4A7C15; // 2^64 / golden ratio, as in SplitMix64
            hashes[i + 1] = mixed ^ (mixed >> 29);
        }

        return hashes;
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        Entry entry = node.Value;
        _recent.Remove(node);
        _entries.Remove(entry.Key);
        if (--_lengths[entry.Key.Length] == 0)
        {
            _lengths.Remove(entry.Key.Length);
        }

        Bytes -= entry.Bytes;
        entry.State.Dispose();
    }

    private sealed record Entry((int Length, ulong Hash) Key, int[] Tokens, ModelState State, long Bytes);
}
