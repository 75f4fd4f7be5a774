using Mamba.Memory;

namespace Mamba.Devices;

/// <content>
/// Recordings. If launching operations takes longer than running them, a device may capture a sequence of operations as
/// a graph once, and replay the graph.
/// </content>
public abstract partial class Device
{
    private readonly HashSet<Recording> _recordings = [];
    private long _voidedCount;

    /// <summary>Whether this device can capture and replay.</summary>
    internal virtual bool CanRecord => false;

    /// <summary>
    /// Number of events that invalidated all earlier recordings: memory outside scopes, which a recording may refer to,
    /// was freed; or a part of a recorded model was replaced.
    /// </summary>
    internal long VoidedCount => Interlocked.Read(ref _voidedCount);

    /// <summary>Invalidates all recordings made so far.</summary>
    internal void VoidRecordings() => Interlocked.Increment(ref _voidedCount);

    /// <summary>
    /// Captures work as a graph without running it. Precondition: the same work ran just before, so that every buffer
    /// exists, and it copies nothing to or from the host. The recording owns the memory of the work's scopes until
    /// disposed.
    /// </summary>
    /// <returns>The recording; null if the capture failed, without side effects.</returns>
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

    /// <summary>Ends a recording and returns its memory to a pool, now or when no other thread uses it.</summary>
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
    /// Throws during a capture. A captured copy would keep its current host address, where other data may be at replay.
    /// </summary>
    private protected void RequireNotRecording()
    {
        if (DeviceContext.Of(this) is { Recorded: not null })
        {
            throw new InvalidOperationException("Work that copies to or from the device cannot be captured.");
        }
    }

    /// <summary>Captures work; null if the capture fails.</summary>
    private protected virtual Recording.IReplay? Record(Action work) => null;
}
