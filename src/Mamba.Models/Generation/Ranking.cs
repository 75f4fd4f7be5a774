namespace Mamba.Models.Generation;

/// <summary>Ids by descending key, and ascending among equal keys. Sorts lazily, one rank at a time.</summary>
/// <remarks>
/// A heap: construction takes linear time, each rank logarithmic time. Ranked ids are stored after the heap in the same
/// memory, the first one at the end.
/// </remarks>
internal ref struct Ranking
{
    private readonly ReadOnlySpan<float> _keys;
    private readonly Span<int> _ids;
    private int _unranked;

    /// <summary>Starts a ranking.</summary>
    /// <param name="keys">The keys by id; none is NaN.</param>
    /// <param name="ids">The ids to rank; reordered.</param>
    public Ranking(ReadOnlySpan<float> keys, Span<int> ids)
    {
        _keys = keys;
        _ids = ids;
        _unranked = ids.Length;
        for (int node = (ids.Length / 2) - 1; node >= 0; node--)
        {
            SiftDown(node);
        }
    }

    /// <summary>Number of ids.</summary>
    public readonly int Count => _ids.Length;

    /// <summary>The id of a rank; 0 is that of the largest key.</summary>
    public int this[int rank]
    {
        get
        {
            while (_ids.Length - _unranked <= rank)
            {
                _unranked--;
                (_ids[0], _ids[_unranked]) = (_ids[_unranked], _ids[0]);
                SiftDown(0);
            }

            return _ids[^(rank + 1)];
        }
    }

    /// <summary>The first ids in reverse order; they must have been ranked.</summary>
    public readonly Span<int> First(int count) => _ids[^count..];

    private readonly void SiftDown(int node)
    {
        int id = _ids[node];
        while (true)
        {
            int child = (2 * node) + 1;
            if (child >= _unranked)
            {
                break;
            }

            if (child + 1 < _unranked && Precedes(_ids[child + 1], _ids[child]))
            {
                child++;
            }

            if (!Precedes(_ids[child], id))
            {
                break;
            }

            _ids[node] = _ids[child];
            node = child;
        }

        _ids[node] = id;
    }

    private readonly bool Precedes(int a, int b) => _keys[a] > _keys[b] || (_keys[a] == _keys[b] && a < b);
}
