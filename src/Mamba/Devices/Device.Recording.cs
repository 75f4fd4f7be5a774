using Mamba.Memory;

namespace Mamba.Devices;

/// <content>
/// Recordings: if launching an operation takes longer than the operation, a device may capture a sequence of them as a
/// graph once, and launch the graph from then on.
/// </content>
public abstract partial class Device
{
    private readonly HashSet<Recording> _recordings = [];
    private long _voidedCount;

    /// <summary>Whether this device can record.</summary>
    internal virtual bool CanRecord => false;

    /// <summary>
    /// Counts what makes earlier recordings void: memory outside of scopes, to which one may refer, was freed, or a
    /// model that was recorded was given another part.
    /// </summary>
    internal long VoidedCount => Interlocked.Read(ref _voidedCount);

    /// <summary>Notes that recordings made so far are void.</summary>
    internal void VoidRecordings() => Interlocked.Increment(ref _voidedCount);

    /// <summary>
    /// Captures work as a graph without running it. Precondition: the same work ran just before, so that every buffer
    /// exists; it copies nothing to or from the host. Memory of its scopes is the recording's until that is disposed.
    /// </summary>
    /// <returns>The recording; null if it failed, and nothing has happened.</returns>
    internal Recording? TryRecord(Action work)
    {
        DeviceContext context = RequireContext();
        HashSet<Storage> memory = context.Recorded = [];
        Recording.IReplay? replay;
        try
        {
            replay = Record(work);
        }
        finally
        {
            context.Recorded = null;
        }

        if (replay is null)
        {
            return null;
        }

        context.Withdraw(memory);
        Recording recording = new(this, replay, memory);
        lock (_gate)
        {
            _recordings.Add(recording);
        }

        return recording;
    }

    /// <summary>
    /// Ends a recording and takes its memory back, now or when no other thread uses it any more.
    /// </summary>
    internal void Forget(Recording recording, Action end, HashSet<Storage> memory) => WhenUnused(() =>
    {
        if (_recordings.Remove(recording))
        {
            DeviceContext? context = DeviceContext.Of(this) ?? (_idle.TryPeek(out DeviceContext? idle) ? idle : null);
            foreach (Storage storage in memory)
            {
                if (context is not null)
                {
                    context.Put(storage);
                }
                else
                {
                    Discard(storage);
                }
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
        if (DeviceContext.Of(this) is { Recorded: not null })
        {
            throw new InvalidOperationException("Work that copies to or from the device cannot be captured.");
        }
    }

    /// <summary>Captures work; null if that fails.</summary>
    private protected virtual Recording.IReplay? Record(Action work) => null;
}
