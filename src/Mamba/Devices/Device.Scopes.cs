using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Scopes, and the contexts of threads with open scopes.</content>
/// <remarks>
/// Pointers to arrays are taken only inside a scope. Memory that a thread frees is kept until every other thread that
/// had a scope open at that moment has ended its outermost one. So no thread frees memory that another thread uses,
/// whatever the order of disposal.
/// </remarks>
public abstract partial class Device
{
    /// <summary>
    /// Guards the lists of contexts, owned memory, recordings and deferred work. It is not held during computation.
    /// </summary>
    private readonly Lock _gate = new();

    private readonly List<DeviceContext> _inside = [];
    private readonly Stack<DeviceContext> _idle = new();
    private volatile DeviceContext[] _contexts = [];
    private long _stamp;
    private int _tapes;
    private volatile bool _isDisposed;
    private bool _isClosed;

    /// <summary>
    /// Called once per scope if a loop appears to run inside the scope without its own scope per iteration, so that
    /// memory grows. The thread that opened the scope calls it. By default it writes to standard error; null disables
    /// it.
    /// </summary>
    public Action<string>? Warning { get; set; } = Console.Error.WriteLine;

    /// <summary>The recording tape of the calling thread, if any.</summary>
    /// <remarks>Every operand reads it, so there is no lookup while no thread has a tape.</remarks>
    internal Tape? Tape
    {
        get => _tapes == 0 ? null : DeviceContext.Of(this)?.Tape;
        set
        {
            if (DeviceContext.Of(this) is { } context)
            {
                context.Tape = value;
            }
        }
    }

    /// <summary>Whether several threads may have open scopes at once.</summary>
    internal virtual bool AllowsManyThreads => true;

    /// <summary>Whether the device has been disposed.</summary>
    internal bool IsDisposed => _isDisposed;

    /// <summary>Whether the calling thread has an open scope.</summary>
    internal bool IsHeld => DeviceContext.Of(this) is not null;

    /// <summary>Number of contexts, active and idle.</summary>
    internal int ContextCount => _contexts.Length;

    /// <summary>Opens a scope for the calling thread. Arrays allocated in it are freed when it ends.</summary>
    /// <returns>The scope; dispose it to end it.</returns>
    /// <exception cref="InvalidOperationException">
    /// Another thread has an open scope on a GPU, which only one thread may use at a time.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device has been disposed.</exception>
    public DeviceScope Scope()
    {
        DeviceContext context = DeviceContext.Of(this) ?? Enter();
        RequireUsable();
        return context.Begin();
    }

    /// <summary>Frees all memory of this device.</summary>
    /// <remarks>
    /// Layers, states and arrays of the device can no longer be used. They may be disposed before or after the device.
    /// If other threads have open scopes, the memory is freed when the last of these ends.
    /// </remarks>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            ReclaimDead();
            if (DeviceContext.Of(this) is { } own)
            {
                own.EndAll();
                Leave(own);
            }

            CloseIfUnused();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Detaches a context from its thread, whose outermost scope has ended.</summary>
    internal void Leave(DeviceContext context)
    {
        lock (_gate)
        {
            _inside.Remove(context);
            List<DeferredFree> waiting = context.Leave();
            if (context.IsTrimWanted)
            {
                context.Trim();
            }

            _idle.Push(context);
            foreach (DeferredFree work in waiting)
            {
                RunOrPassOn(work);
            }

            if (!_deferred.IsEmpty)
            {
                RunDeferred();
            }

            CloseIfUnused();
        }
    }

    /// <summary>Adds to the number of active tapes of all threads.</summary>
    internal void CountTapes(int more) => Interlocked.Add(ref _tapes, more);

    /// <summary>Throws unless the calling thread has an open scope on this device.</summary>
    internal void RequireHeld() => RequireContext();

    /// <summary>The calling thread's context.</summary>
    /// <exception cref="InvalidOperationException">The calling thread has no open scope.</exception>
    internal DeviceContext RequireContext()
    {
        DeviceContext context = DeviceContext.Of(this) ?? throw NotHeld();
        RequireUsable();
        return context;
    }

    /// <summary>The memory of an array, for use inside a scope of the calling thread.</summary>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">
    /// The calling thread has no open scope, or the array belongs to a scope of another thread.
    /// </exception>
    private protected Storage Resolve(Storage storage)
    {
        if (storage.Device != this)
        {
            throw new ArgumentException($"An array on \"{storage.Device}\" was given to \"{this}\".");
        }

        RequireContext().Require(storage);
        return storage;
    }

    private DeviceContext Enter()
    {
        lock (_gate)
        {
            RequireUsable();
            if (!AllowsManyThreads || _idle.Count == 0)
            {
                ReclaimDead();
            }

            if (!AllowsManyThreads && _inside.Count > 0)
            {
                throw InUse();
            }

            if (!_idle.TryPop(out DeviceContext? context))
            {
                context = new(this);
                _contexts = [.. _contexts, context];
            }

            context.Enter(_stamp);
            _inside.Add(context);
            return context;
        }
    }

    /// <summary>Ends the scopes of threads that terminated before their scopes ended. Requires the gate.</summary>
    private void ReclaimDead()
    {
        for (int i = _inside.Count - 1; i >= 0; i--)
        {
            DeviceContext context = _inside[i];
            if (context.Owner is { IsAlive: false })
            {
                context.EndAll();
                Leave(context);
                i = Math.Min(i, _inside.Count);
            }
        }
    }

    private void CloseIfUnused()
    {
        if (_isDisposed && !_isClosed && _inside.Count == 0)
        {
            _isClosed = true;
            foreach (Recording recording in _recordings.ToArray())
            {
                recording.Dispose();
            }

            DiscardAll();
            Close();
        }
    }

    private void RequireUsable()
    {
        if (_isDisposed)
        {
            throw Disposed();
        }
    }

    private Exception NotHeld()
    {
        if (_isDisposed)
        {
            return Disposed();
        }

        lock (_gate)
        {
            return !AllowsManyThreads && _inside.Count > 0
                ? InUse()
                : new InvalidOperationException(
                    "What is computed needs a scope, which frees it: using DeviceScope scope = device.Scope();");
        }
    }

    private InvalidOperationException InUse() => new(
        $"\"{this}\" is in use by {DeviceContext.Name(_inside[0].Owner)}, which has a scope open on it; this is " +
        $"{DeviceContext.Name(Thread.CurrentThread)}. A GPU is used by one thread at a time: give each thread a " +
        "device of its own, or let the threads take turns.");

    private ObjectDisposedException Disposed() =>
        new(GetType().Name, $"The device \"{this}\" has been disposed. Use it, and what lives on it, before that.");
}
