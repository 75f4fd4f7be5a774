using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Records, per context's memory pool, the batch sizes for which steps of a layer or model found all their memory in
/// the pool. Later steps of these sizes will too.
/// </summary>
internal sealed class WarmBatches
{
    private Entry[] _entries = [];

    /// <summary>The record of the calling thread's context.</summary>
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

    /// <summary>The record of one context, used only by the context's thread.</summary>
    internal sealed class Entry(DeviceContext context)
    {
        private const int Most = 256;

        private readonly HashSet<(int Batch, long Room, bool Chooses)> _known = [];
        private long _trims;

        public DeviceContext Context { get; } = context;

        /// <summary>Whether a step of this size finds all its memory in the pool.</summary>
        /// <param name="batch">Its number of sequences.</param>
        /// <param name="room">Token capacity of its states.</param>
        /// <param name="chooses">Whether it also finds the likeliest tokens.</param>
        public bool Covers(int batch, long room, bool chooses = false) =>
            _trims == Context.Trims && _known.Contains((batch, room, chooses));

        /// <summary>Records a successful step.</summary>
        /// <param name="batch">Its number of sequences.</param>
        /// <param name="room">Token capacity of its states.</param>
        /// <param name="allocationsBefore">The context's allocation count before the step.</param>
        /// <param name="chooses">Whether it also found the likeliest tokens.</param>
        public void Note(int batch, long room, long allocationsBefore, bool chooses = false)
        {
            if (_trims != Context.Trims || _known.Count == Most)
            {
                _known.Clear(); // forgetting a step is safe: it costs one clone
                _trims = Context.Trims;
            }

            if (Context.Allocations == allocationsBefore)
            {
                _known.Add((batch, room, chooses));
            }
            else
            {
                _known.Remove((batch, room, chooses));
            }
        }
    }
}
