using System.Runtime.InteropServices;

namespace Mamba.Text.Grammars;

/// <summary>
/// A grammar that reads a text. What it may be in the middle of is a set of places, of which each has a stack of rules;
/// sets are made once and know the sets after each byte, so that reading mostly follows references.
/// </summary>
/// <param name="grammar">The grammar.</param>
internal sealed class GrammarRun(Grammar grammar)
{
    private const int MostDepth = 60; // System.Text.Json reads 64 levels

    private readonly Dictionary<(int State, Place? Parent), Place> _places = [];
    private readonly Dictionary<PlaceSetKey, PlaceSet> _sets = [];
    private readonly HashSet<Place> _found = [];
    private readonly Stack<Place> _open = [];

    /// <summary>The set before the first byte.</summary>
    public PlaceSet Start()
    {
        Begin(PlaceOf(grammar.Start, null));
        return Close();
    }

    /// <summary>The set after a byte; <see cref="PlaceSet.IsDead"/> if the byte cannot follow.</summary>
    public PlaceSet Read(PlaceSet set, byte value) => set.Next[value] ??= Step(set, value);

    private PlaceSet Step(PlaceSet set, byte value)
    {
        foreach (Place place in set.Places)
        {
            foreach ((byte low, byte high, int to) in grammar[place.State].Bytes)
            {
                if (value >= low && value <= high)
                {
                    Begin(PlaceOf(to, place.Parent));
                }
            }
        }

        return Close();
    }

    private void Begin(Place place)
    {
        if (_found.Add(place))
        {
            _open.Push(place);
        }
    }

    /// <summary>Follows jumps, calls and ends of rules, and makes the set of all places that were found.</summary>
    private PlaceSet Close()
    {
        bool canEnd = false;
        while (_open.TryPop(out Place? place))
        {
            Grammar.State state = grammar[place.State];
            canEnd |= state.IsEnd && place.Parent is null;
            if (state.IsEnd && place.Parent is { } parent)
            {
                Begin(parent);
            }

            foreach (int to in state.Jumps)
            {
                Begin(PlaceOf(to, place.Parent));
            }

            foreach ((int rule, int after) in state.Calls)
            {
                Place back = PlaceOf(after, place.Parent);
                if (!grammar[rule].IsLimited || back.Depth <= MostDepth)
                {
                    Begin(PlaceOf(rule, back));
                }
            }
        }

        Place[] places =
            [.. _found.Where(place => grammar[place.State].Bytes.Count > 0).OrderBy(place => place.Number)];
        _found.Clear();
        PlaceSetKey key = new(places, canEnd);
        ref PlaceSet? set = ref CollectionsMarshal.GetValueRefOrAddDefault(_sets, key, out _);
        return set ??= new(places, canEnd);
    }

    private Place PlaceOf(int state, Place? parent)
    {
        ref Place? place = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, (state, parent), out _);
        return place ??= new(
            _places.Count, state, parent, (parent?.Depth ?? 0) + (grammar[state].Deepens ? 1 : 0));
    }

    /// <summary>A state, and where the rules that were called go on.</summary>
    internal sealed record Place(int Number, int State, Place? Parent, int Depth)
    {
        public bool Equals(Place? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => Number;
    }

    /// <summary>The places in which the grammar may be.</summary>
    internal sealed class PlaceSet(Place[] places, bool canEnd)
    {
        public Place[] Places => places;

        /// <summary>Whether the text may end here.</summary>
        public bool CanEnd => canEnd;

        /// <summary>Whether no byte can follow.</summary>
        public bool IsClosed => places.Length == 0;

        /// <summary>Whether the text has left the grammar.</summary>
        public bool IsDead => places.Length == 0 && !canEnd;

        public PlaceSet?[] Next { get; } = new PlaceSet?[256];

        /// <summary>The tokens that may follow; null: not computed yet.</summary>
        public bool[]? Allowed { get; set; }
    }

    private readonly struct PlaceSetKey(Place[] places, bool canEnd) : IEquatable<PlaceSetKey>
    {
        private readonly Place[] _places = places;
        private readonly bool _canEnd = canEnd;

        public bool Equals(PlaceSetKey other) =>
            _canEnd == other._canEnd && _places.AsSpan().SequenceEqual(other._places);

        public override bool Equals(object? obj) => obj is PlaceSetKey key && Equals(key);

        public override int GetHashCode()
        {
            HashCode hash = default;
            hash.Add(_canEnd);
            foreach (Place place in _places)
            {
                hash.Add(place.Number);
            }

            return hash.ToHashCode();
        }
    }
}
