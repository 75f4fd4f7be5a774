using System.Collections.Concurrent;
using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Work that waits until no thread uses what it frees.</content>
public abstract partial class Device
{
    private readonly ConcurrentQueue<Action> _deferred = new();

    /// <summary>
    /// Does something at once, or when every other thread that has a scope open now has ended its outermost one.
    /// Threads that enter later are not waited for, so threads that always overlap delay it, and no more.
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

    /// <summary>Does something after the next outermost scope of any thread; takes no lock, for finalizers.</summary>
    internal void Defer(Action action) => _deferred.Enqueue(action);

    /// <summary>Runs work, or leaves it with a context that may use what it frees. The gate is held.</summary>
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

    /// <summary>A context that was entered before a stamp, and is still open; null if there is none.</summary>
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
