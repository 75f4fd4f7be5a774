using System.Collections.Concurrent;
using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>
/// Byte-pair encoding of words: characters are merged into tokens, the pair of the lowest rank first.
/// </summary>
/// <remarks>Sennrich et al., <see href="https://arxiv.org/abs/1508.07909"/>.</remarks>
internal sealed class BytePairModel
{
    private const int CachedWords = 1 << 14, CachedLength = 64;

    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly Dictionary<long, MergeRule> _merges;
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cached;
    private readonly int[]? _bytes;
    private int _cachedCount;

    /// <param name="vocabulary">Tokens and their ids.</param>
    /// <param name="merges">What pairs of ids become.</param>
    public BytePairModel(Dictionary<string, int> vocabulary, Dictionary<(int Left, int Right), MergeRule> merges)
    {
        _vocabulary = vocabulary;
        _ids = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _merges = merges.ToDictionary(merge => Key(merge.Key.Left, merge.Key.Right), merge => merge.Value);
        _cached = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The token of characters that have none; null: they are left out.</summary>
    public int? Unknown { get; init; }

    /// <summary>Whether neighbouring unknown characters become one unknown token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Whether a word that is a token is not merged.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>
    /// The tokens of the 256 bytes, -1 where one is missing; null: unknown characters are not spelled in bytes.
    /// </summary>
    public int[]? Bytes
    {
        get => _bytes;
        init => _bytes = value;
    }

    /// <summary>Tokens and their ids.</summary>
    public IReadOnlyDictionary<string, int> Vocabulary => _vocabulary;

    /// <summary>Appends the tokens of a word.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> ids)
    {
        if (_cached.TryGetValue(word, out int[]? known))
        {
            ids.AddRange(known);
            return;
        }

        int from = ids.Count;
        if (IgnoresMerges && _ids.TryGetValue(word, out int whole))
        {
            ids.Add(whole);
        }
        else
        {
            Merge(Characters(word), ids);
        }

        if (word.Length <= CachedLength && _cache.TryAdd(word.ToString(), [.. ids[from..]]) &&
            Interlocked.Increment(ref _cachedCount) % CachedWords == 0)
        {
            _cache.Clear(); // a text of other words than the last ones is coming
        }
    }

    // The token of each character. An unknown character waits, because the next one may join it.
    private List<Symbol> Characters(ReadOnlySpan<char> word)
    {
        List<Symbol> symbols = new(word.Length);
        bool isWaiting = false;
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0; i < word.Length;)
        {
            _ = Rune.DecodeFromUtf16(word[i..], out Rune rune, out int length);
            if (_ids.TryGetValue(word.Slice(i, length), out int id))
            {
                Flush();
                Add(id);
            }
            else if (AllBytes(bytes[..rune.EncodeToUtf8(bytes)]))
            {
                foreach (byte value in bytes[..rune.Utf8SequenceLength])
                {
                    Add(_bytes![value]);
                }
            }
            else if (Unknown is not null)
            {
                if (!FusesUnknown)
                {
                    Flush();
                }

                isWaiting = true;
            }

            i += length;
        }

        Flush();
        return symbols;

        void Add(int id) => symbols.Add(new(id, symbols.Count - 1, symbols.Count + 1));

        void Flush()
        {
            if (isWaiting)
            {
                Add(Unknown!.Value);
                isWaiting = false;
            }
        }
    }

    private bool AllBytes(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            if (_bytes is null || _bytes[value] < 0)
            {
                return false;
            }
        }

        return true;
    }

    private void Merge(List<Symbol> symbols, List<int> ids)
    {
        PriorityQueue<int, long> queue = new(symbols.Count); // the priority is the rank, and of equal ranks the place
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            Offer(symbols, queue, i);
        }

        while (queue.TryDequeue(out int becomes, out long priority))
        {
            // The entry may be old: one of the two may have been merged since with another neighbour.
            int place = (int)priority;
            Symbol left = symbols[place];
            if (left.Id < 0 || left.Next == symbols.Count ||
                !_merges.TryGetValue(Key(left.Id, symbols[left.Next].Id), out MergeRule rule) || rule.Id != becomes)
            {
                continue;
            }

            Symbol right = symbols[left.Next];
            symbols[left.Next] = right with { Id = -1 };
            symbols[place] = left with { Id = becomes, Next = right.Next };
            if (right.Next < symbols.Count)
            {
                symbols[right.Next] = symbols[right.Next] with { Previous = place };
                Offer(symbols, queue, place);
            }

            if (left.Previous >= 0)
            {
                Offer(symbols, queue, left.Previous);
            }
        }

        foreach (Symbol symbol in symbols)
        {
            if (symbol.Id >= 0)
            {
                ids.Add(symbol.Id);
            }
        }
    }

    private static long Joined(int high, int low) => ((long)high << 32) | (uint)low;

    // The hash of a long is the exclusive or of its halves, equal for many pairs; a product with an odd number is not.
    private static long Key(int left, int right) => unchecked(Joined(left, right) * (long)0x9E3779B97F4A7C15);

    private void Offer(List<Symbol> symbols, PriorityQueue<int, long> queue, int place)
    {
        Symbol left = symbols[place];
        if (_merges.TryGetValue(Key(left.Id, symbols[left.Next].Id), out MergeRule rule))
        {
            queue.Enqueue(rule.Id, Joined(rule.Rank, place));
        }
    }

    /// <summary>
    /// A token of a word and its neighbours' places; the id of one that was merged into its left is -1.
    /// </summary>
    private readonly record struct Symbol(int Id, int Previous, int Next);
}
