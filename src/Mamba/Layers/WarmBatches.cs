using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Remembers, for the memory pool of every context, with how many sequences the last step of a layer or model found
/// all its memory there, as the next one will.
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
        private int _batch = -1;
        private long _trims;

        public DeviceContext Context { get; } = context;

        /// <summary>Whether a step of a number of sequences finds all its memory in the pool.</summary>
        public bool Covers(int batch) => _batch == batch && _trims == Context.Trims;

        /// <summary>Notes a step that has succeeded.</summary>
        /// <param name="batch">Its number of sequences.</param>
        /// <param name="allocationsBefore">The context's allocations before it.</param>
        public void Note(int batch, long allocationsBefore) => (_batch, _trims) =
            (Context.Allocations == allocationsBefore ? batch : -1, Context.Trims);
    }
}
