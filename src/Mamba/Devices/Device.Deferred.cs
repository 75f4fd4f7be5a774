using System.Collections.Concurrent;
using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Actions deferred until no thread uses the memory that they free.</content>
public abstract partial class Device
{
    private readonly ConcurrentQueue<Action> _deferred = new();

    /// <summary>
    /// Runs an action now, or after every other thread with an open scope has ended its outermost one. Threads that
    /// open a scope later are not waited for, so overlapping threads cannot starve it.
    /// </summary>
    internal void WhenUnused(Action action)
    {
        lock (_gate)
        {
            DeviceContext? own = DeviceContext.Of(this);
            RunOrPassOn(new(action, ++_stamp, own));
            if (_inside.Count == 0)
            {
                RunDeferred();
            }
        }
    }

    /// <summary>
    /// Queues an action until the next outermost scope of any thread ends. Takes no lock, so finalizers may call it.
    /// </summary>
    internal void Defer(Action action) => _deferred.Enqueue(action);

    /// <summary>Runs work, or queues it with a context that may use the memory. Requires the gate.</summary>
    private void RunOrPassOn(DeferredFree work)
    {
        if (FindUser(work.Stamp, work.Exempt) is { } user)
        {
            user.Waiting.Add(work);
        }
        else
        {
            work.Action();
        }
    }

    /// <summary>A context that was entered before a stamp and is still open; null if none.</summary>
    private DeviceContext? FindUser(long stamp, DeviceContext? exempt)
    {
        ReclaimDead();
        foreach (DeviceContext context in _inside)
        {
            if (context.Since < stamp && context != exempt)
            {
                return context;
            }
        }

        return null;
    }

    private void RunDeferred()
    {
        while (_deferred.TryDequeue(out Action? action))
        {
            action();
        }
    }
}
