namespace Mamba.Devices;

/// <content>
/// Recordings: where starting an operation takes longer than the operation, a device may take a sequence of them down
/// once and start them all together.
/// </content>
public abstract partial class Device
{
    private readonly HashSet<Recording> _recordings = [];
    private HashSet<Storage>? _recorded;

    /// <summary>Whether this device can record.</summary>
    internal virtual bool CanRecord => false;

    /// <summary>
    /// Counts what makes earlier recordings void: memory outside of scopes, to which one may refer, was freed, or a model
    /// that was recorded was given another part.
    /// </summary>
    internal long VoidedCount { get; private set; }

    /// <summary>Notes that recordings made so far are void.</summary>
    internal void VoidRecordings() => VoidedCount++;

    /// <summary>
    /// Takes work down without doing it. It has been done in the same way just before, so that all memory is there; it
    /// uploads and downloads nothing. Memory of its scopes is the recording's until that is disposed.
    /// </summary>
    /// <returns>The recording; null where it failed, and nothing has happened.</returns>
    internal Recording? TryRecord(Action work)
    {
        HashSet<Storage> memory = _recorded = [];
        Recording.IReplay? replay;
        try
        {
            replay = Record(work);
        }
        finally
        {
            _recorded = null;
        }

        if (replay is null)
        {
            return null;
        }

        foreach (Stack<Storage> free in _pool.Values)
        {
            Storage[] left = [.. free.Where(storage => !memory.Contains(storage)).Reverse()];
            free.Clear();
            System.Array.ForEach(left, free.Push);
        }

        Recording recording = new(this, replay, memory);
        _recordings.Add(recording);
        return recording;
    }

    /// <summary>Takes the memory of a recording back; false where that has happened before.</summary>
    internal bool Forget(Recording recording, HashSet<Storage> memory)
    {
        if (!_recordings.Remove(recording))
        {
            return false;
        }

        foreach (Storage storage in memory)
        {
            Pool(storage.Length, storage.Precision).Push(storage);
        }

        return true;
    }

    /// <summary>Takes work down; null where it fails.</summary>
    private protected virtual Recording.IReplay? Record(Action work) => null;
}
