namespace Mamba.Devices;

/// <content>
/// Recordings: if launching an operation takes longer than the operation, a device may capture a sequence of them as a
/// graph once, and launch the graph from then on.
/// </content>
public abstract partial class Device
{
    private readonly HashSet<Recording> _recordings = [];
    private HashSet<Storage>? _recorded;

    /// <summary>Whether this device can record.</summary>
    internal virtual bool CanRecord => false;

    /// <summary>
    /// Counts what makes earlier recordings void: memory outside of scopes, to which one may refer, was freed, or a
    /// model that was recorded was given another part.
    /// </summary>
    internal long VoidedCount { get; private set; }

    /// <summary>Notes that recordings made so far are void.</summary>
    internal void VoidRecordings() => VoidedCount++;

    /// <summary>
    /// Captures work as a graph without running it. Precondition: the same work ran just before, so that every buffer
    /// exists; it copies nothing to or from the host. Memory of its scopes is the recording's until that is disposed.
    /// </summary>
    /// <returns>The recording; null if it failed, and nothing has happened.</returns>
    internal Recording? TryRecord(Action work)
    {
        RequireHeld();
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

    /// <summary>
    /// Ends a recording and takes its memory back, now or when the thread that uses the device is done.
    /// </summary>
    internal void Forget(Recording recording, Action end, HashSet<Storage> memory) => WhenUnused(() =>
    {
        if (_recordings.Remove(recording))
        {
            foreach (Storage storage in memory)
            {
                Pool(storage.Length, storage.Precision).Push(storage);
            }

            end();
        }
    });

    /// <summary>
    /// Throws while work is captured: a copy would be captured with the address on the host that it has now, where
    /// something else stands when the capture is replayed.
    /// </summary>
    private protected void RequireNotRecording()
    {
        if (_recorded is not null)
        {
            throw new InvalidOperationException("Work that copies to or from the device cannot be captured.");
        }
    }

    /// <summary>Captures work; null if that fails.</summary>
    private protected virtual Recording.IReplay? Record(Action work) => null;
}
