using System.Collections.Concurrent;
using System.Globalization;
using Mamba.Autograd;

namespace Mamba.Devices;

/// <content>Scopes, and the thread that uses the device: the one that has a scope open.</content>
/// <remarks>
/// Pointers are taken of arrays inside a scope only, and memory that another thread frees meanwhile stays until the
/// last scope ends. So no thread can pull memory away from under another, whatever is disposed in whatever order.
/// </remarks>
public abstract partial class Device
{
    /// <summary>Arrays in one scope that point to a loop without a scope of its own.</summary>
    private const int ManyArrays = 1 << 14;

    /// <summary>Tapes in one scope that point to a training loop without a scope of its own.</summary>
    private const int ManyTapes = 16;

    private readonly List<Frame> _frames = [];
    private readonly ConcurrentQueue<Action> _deferred = new();
    private int _depth;
    private long _scopeCount;

    /// <summary>
    /// The thread that has a scope open; the negative of one that frees what was deferred, for which others wait; or 0.
    /// </summary>
    private int _holder;

    private volatile bool _isDisposed;
    private volatile bool _isClosed;

    /// <summary>
    /// Is told, once a scope, that a loop seems to run inside the scope instead of opening one for every round, so that
    /// memory grows; by default it writes to the standard error stream. Null: nobody is told.
    /// </summary>
    public Action<string>? Warning { get; set; } = Console.Error.WriteLine;

    /// <summary>Whether the device has been disposed.</summary>
    internal bool IsDisposed => _isDisposed;

    /// <summary>Whether the calling thread has a scope open, or frees what was deferred.</summary>
    internal bool IsHeld => Math.Abs(_holder) == Environment.CurrentManagedThreadId;

    /// <summary>Begins a scope; what is allocated until its end is freed then.</summary>
    /// <returns>The scope, to be disposed by the same thread.</returns>
    /// <exception cref="InvalidOperationException">Another thread has a scope open on this device.</exception>
    /// <exception cref="ObjectDisposedException">The device has been disposed.</exception>
    public DeviceScope Scope()
    {
        int thread = Environment.CurrentManagedThreadId;
        if (_holder != thread)
        {
            Hold(thread);
        }

        if (_isDisposed)
        {
            if (_depth == 0)
            {
                LetGo();
            }

            throw Disposed();
        }

        if (_depth == _frames.Count)
        {
            _frames.Add(new());
        }

        Frame frame = _frames[_depth++];
        frame.Begin(++_scopeCount, Tape);
        return new(this, _depth, frame.Id);
    }

    /// <summary>Takes the device for a thread; waits for one that frees memory, which is soon done.</summary>
    private void Hold(int thread)
    {
        SpinWait wait = default;
        int holder;
        while ((holder = Interlocked.CompareExchange(ref _holder, thread, 0)) != 0)
        {
            if (holder > 0)
            {
                throw NotHeld(holder);
            }

            wait.SpinOnce();
        }
    }

    /// <summary>Frees everything that was allocated on this device.</summary>
    /// <remarks>
    /// Layers, states and arrays of the device can no longer be used, and may be disposed before or after it. While
    /// another thread has a scope open, the memory is freed when that scope ends.
    /// </remarks>
    public void Dispose()
    {
        _isDisposed = true;
        if (!IsHeld)
        {
            CleanUp();
        }
        else if (!_isClosed)
        {
            CloseAll();
            Volatile.Write(ref _holder, 0);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Moves memory out of a scope: to the enclosing scope, or to the caller.</summary>
    internal void KeepBeyond(int depth, long id, Storage storage)
    {
        RequireOpen(depth, id);
        if (storage.Device != this)
        {
            throw new ArgumentException($"The array is on \"{storage.Device}\"; the scope is of \"{this}\".");
        }

        if (storage.Depth < depth)
        {
            return; // belongs to an outer scope, or to its owner, already
        }

        List<Storage> storages = _frames[storage.Depth - 1].Storages;
        storages.RemoveAt(storages.LastIndexOf(storage));
        storage.Depth = depth - 1;
        if (storage.IsOwned)
        {
            _owned.Add(storage);
        }
        else
        {
            Add(storage, _frames[depth - 2]);
        }
    }

    internal void EndScope(int depth, long id)
    {
        if (_isClosed)
        {
            return; // the device has been disposed, and its scopes with it
        }

        RequireOpen(depth, id);
        if (depth < _depth)
        {
            throw new InvalidOperationException(
                "A scope that was opened inside this one has not been disposed. Dispose scopes in the reverse order.");
        }

        Frame frame = _frames[depth - 1];
        if (Tape is { } tape)
        {
            tape.ScopeEnds(depth, id, frame.Tape == tape ? frame.Recorded : tape.Count);
        }

        for (int i = frame.Storages.Count - 1; i >= 0; i--)
        {
            GiveBack(frame.Storages[i]);
        }

        frame.Storages.Clear();
        _depth--;
        if (_depth == 0)
        {
            LetGo();
        }
    }

    /// <summary>Counts a tape that begins in the innermost scope.</summary>
    /// <returns>Depth and number of the scope.</returns>
    internal (int Depth, long Id) BeginTape()
    {
        RequireHeld();
        Frame frame = _frames[_depth - 1];
        if (++frame.Tapes == ManyTapes)
        {
            Warn(frame, $"{ManyTapes} tapes have begun in one scope; open a scope for every training step.");
        }

        return (_depth, frame.Id);
    }

    /// <summary>Throws unless the calling thread has a scope open on this device.</summary>
    internal void RequireHeld()
    {
        if (!IsHeld)
        {
            throw NotHeld(_holder);
        }

        RequireUsable();
    }

    /// <summary>The memory of an array, inside a scope of the calling thread.</summary>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The calling thread has no scope open.</exception>
    private protected Storage Resolve(Storage storage)
    {
        if (storage.Device != this)
        {
            throw new ArgumentException($"An array on \"{storage.Device}\" was given to \"{this}\".");
        }

        RequireHeld();
        return storage;
    }

    private void RequireUsable()
    {
        if (_isDisposed)
        {
            throw Disposed();
        }
    }

    /// <summary>Whether a scope has begun and not ended.</summary>
    internal bool IsOpen(int depth, long id) =>
        depth <= _depth && depth <= _frames.Count && _frames[depth - 1].Id == id;

    /// <summary>Throws unless a scope is open, on the calling thread.</summary>
    private void RequireOpen(int depth, long id)
    {
        bool isKnown = IsOpen(depth, id);
        if (!isKnown || !IsHeld)
        {
            throw new InvalidOperationException(isKnown
                ? $"This scope was opened by thread {_holder}; this is thread {Environment.CurrentManagedThreadId}. " +
                    "Dispose a scope on the thread that opened it: no await may stand between the two."
                : "This scope has ended already.");
        }
    }

    /// <summary>Frees owned memory that is retired: at once, or when the thread that uses the device is done.</summary>
    private void FreeWhenUnused(Storage storage)
    {
        if (IsHeld)
        {
            FreeOwned(storage);
        }
        else
        {
            WhenUnused(() => FreeOwned(storage));
        }
    }

    /// <summary>Does something at once, or when the thread that uses the device is done.</summary>
    internal void WhenUnused(Action action)
    {
        if (IsHeld)
        {
            action();
            return;
        }

        _deferred.Enqueue(action);
        CleanUp();
    }

    /// <summary>Does something after the next scope of any thread.</summary>
    internal void Defer(Action action) => _deferred.Enqueue(action);

    /// <summary>Ends the calling thread's use of the device, after its last scope.</summary>
    private void LetGo()
    {
        RunDeferred();
        Volatile.Write(ref _holder, 0);
        CleanUp();
    }

    /// <summary>
    /// Does what was deferred, unless a thread uses the device: that thread will do it after its last scope.
    /// </summary>
    private void CleanUp()
    {
        int cleaner = -Environment.CurrentManagedThreadId;
        while ((!_deferred.IsEmpty || (_isDisposed && !_isClosed))
            && Interlocked.CompareExchange(ref _holder, cleaner, 0) == 0)
        {
            RunDeferred();
            if (_isDisposed && !_isClosed)
            {
                CloseAll();
            }

            Volatile.Write(ref _holder, 0);
        }
    }

    private void RunDeferred()
    {
        while (_deferred.TryDequeue(out Action? action))
        {
            action();
        }
    }

    private void CloseAll()
    {
        foreach (Recording recording in _recordings.ToArray())
        {
            recording.Dispose();
        }

        DiscardAll();
        _depth = 0;
        _isClosed = true;
        Close();
    }

    private void Add(Storage storage, Frame frame)
    {
        frame.Storages.Add(storage);
        if (frame.Storages.Count == ManyArrays)
        {
            Warn(frame, "open a scope for every round of the loop that computes them.");
        }
    }

    private void Warn(Frame frame, string advice)
    {
        if (!frame.IsWarned)
        {
            frame.IsWarned = true;
            long bytes = frame.Storages.Sum(storage => storage.Bytes);
            Warning?.Invoke(string.Create(
                CultureInfo.InvariantCulture,
                $"Mamba: a scope holds {frame.Storages.Count:N0} arrays, {bytes / 1e6:N0} MB, that are freed when it " +
                $"ends: {advice}"));
        }
    }

    private Exception NotHeld(int holder)
    {
        int thread = Environment.CurrentManagedThreadId;
        return _isDisposed ? Disposed()
            : holder <= 0 ? new InvalidOperationException(
                "What is computed needs a scope, which frees it: using DeviceScope scope = device.Scope();")
            : new InvalidOperationException(
                $"\"{this}\" is in use by thread {holder}, which has a scope open on it; this is thread {thread}. A " +
                "device is used by one thread at a time: give each thread a device of its own, or let the threads " +
                "take turns.");
    }

    private ObjectDisposedException Disposed() =>
        new(GetType().Name, $"The device \"{this}\" has been disposed. Use it, and what lives on it, before that.");

    /// <summary>What belongs to an open scope.</summary>
    private sealed class Frame
    {
        /// <summary>What the scope frees.</summary>
        public List<Storage> Storages { get; } = [];

        /// <summary>Tells the scope from all others.</summary>
        public long Id { get; private set; }

        /// <summary>The tape that recorded when the scope began, and the number of its operations then.</summary>
        public Tape? Tape { get; private set; }

        public int Recorded { get; private set; }

        /// <summary>Tapes that have begun in the scope.</summary>
        public int Tapes { get; set; }

        public bool IsWarned { get; set; }

        public void Begin(long id, Tape? tape) =>
            (Id, Tape, Recorded, Tapes, IsWarned) = (id, tape, tape?.Count ?? 0, 0, false);
    }
}
