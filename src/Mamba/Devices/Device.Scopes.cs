using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Scopes, and the contexts of the threads that have some open.</content>
/// <remarks>
/// Pointers are taken of arrays inside a scope only. Memory that a thread frees stays until every other thread that had
/// a scope open at that moment has ended its outermost one. So no thread can pull memory away from under another,
/// whatever is disposed in whatever order.
/// </remarks>
public abstract partial class Device
{
    /// <summary>
    /// Guards the lists of contexts, owned memory, recordings and deferred work; never the arithmetic.
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
    /// Is told, once a scope, that a loop seems to run inside the scope instead of opening one for every round, so that
    /// memory grows; by default it writes to the standard error stream. Null: nobody is told. The thread that has the
    /// scope open calls it.
    /// </summary>
    public Action<string>? Warning { get; set; } = Console.Error.WriteLine;

    /// <summary>The calling thread's tape that records, if any.</summary>
    /// <remarks>Every operand asks for it; if no thread has a tape, nothing is looked up.</remarks>
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

    /// <summary>Whether several threads may have scopes open at once.</summary>
    internal virtual bool AllowsManyThreads => true;

    /// <summary>Whether the device has been disposed.</summary>
    internal bool IsDisposed => _isDisposed;

    /// <summary>Whether the calling thread has a scope open.</summary>
    internal bool IsHeld => DeviceContext.Of(this) is not null;

    /// <summary>Number of contexts, of threads that have scopes open and idle ones.</summary>
    internal int ContextCount => _contexts.Length;

    /// <summary>
    /// Begins a scope of the calling thread; what it allocates until the end of the scope is freed then.
    /// </summary>
    /// <returns>The scope, to be disposed.</returns>
    /// <exception cref="InvalidOperationException">
    /// Another thread has a scope open on a GPU, which one thread uses at a time.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device has been disposed.</exception>
    public DeviceScope Scope()
    {
        DeviceContext context = DeviceContext.Of(this) ?? Enter();
        RequireUsable();
        return context.Begin();
    }

    /// <summary>Frees everything that was allocated on this device.</summary>
    /// <remarks>
    /// Layers, states and arrays of the device can no longer be used, and may be disposed before or after it. While
    /// other threads have scopes open, the memory is freed when the last of these ends.
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

    /// <summary>Takes a context away from the calling thread, whose outermost scope has ended.</summary>
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

    /// <summary>Counts tapes of all threads that begin or end.</summary>
    internal void CountTapes(int more) => Interlocked.Add(ref _tapes, more);

    /// <summary>Throws unless the calling thread has a scope open on this device.</summary>
    internal void RequireHeld() => RequireContext();

    /// <summary>The calling thread's context.</summary>
    /// <exception cref="InvalidOperationException">The calling thread has no scope open.</exception>
    internal DeviceContext RequireContext()
    {
        DeviceContext context = DeviceContext.Of(this) ?? throw NotHeld();
        RequireUsable();
        return context;
    }

    /// <summary>The memory of an array, inside a scope of the calling thread.</summary>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">
    /// The calling thread has no scope open, or the array belongs to a scope of another thread.
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

    /// <summary>Ends the scopes of threads that ended before their scopes. The gate is held.</summary>
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
