using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Remembers, for the memory pool of every context, with how many sequences steps of a layer or model have found all
/// their memory there, as the next ones will.
/// </summary>
internal sealed class WarmBatches
{
    private Entry[] _entries = [];

    /// <summary>What is known of the calling thread's context.</summary>
    public Entry Of(DeviceContext context)
    {
        Entry[] entries = Volatile.Read(ref _entries);
        while (true)
        {
            foreach (Entry entry in entries)
            {
                if (entry.Context == context)
                {
                    return entry;
                }
            }

            Entry added = new(context);
            Entry[] before = Interlocked.CompareExchange(ref _entries, [.. entries, added], entries);
            if (before == entries)
            {
                return added;
            }

            entries = before;
        }
    }

    /// <summary>What is known of one context, which only its thread reads and changes.</summary>
    internal sealed class Entry(DeviceContext context)
    {
        private const int Most = 256;

        private readonly HashSet<(int Batch, long Room)> _known = [];
        private long _trims;

        public DeviceContext Context { get; } = context;

        /// <summary>Whether a step finds all its memory in the pool.</summary>
        /// <param name="batch">Its number of sequences.</param>
        /// <param name="room">Tokens that its states have room for.</param>
        public bool Covers(int batch, long room) => _trims == Context.Trims && _known.Contains((batch, room));

        /// <summary>Notes a step that has succeeded.</summary>
        /// <param name="batch">Its number of sequences.</param>
        /// <param name="room">Tokens that its states have room for.</param>
        /// <param name="allocationsBefore">The context's allocations before it.</param>
        public void Note(int batch, long room, long allocationsBefore)
        {
            if (_trims != Context.Trims || _known.Count == Most)
            {
                _known.Clear(); // a step that is not known is safe, and costs a copy
                _trims = Context.Trims;
            }

            if (Context.Allocations == allocationsBefore)
            {
                _known.Add((batch, room));
            }
            else
            {
                _known.Remove((batch, room));
            }
        }
    }
}
