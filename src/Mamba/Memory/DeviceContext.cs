using System.Globalization;
using System.Runtime.CompilerServices;
using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>The data of one thread that uses a device: its open scopes, its tape and its memory pool.</summary>
/// <remarks>
/// A thread takes a context when it opens its outermost scope and returns it when that scope ends. So a device has as
/// many contexts as threads used it at the same time, not one per thread of a thread pool.
/// </remarks>
/// <param name="device">The device.</param>
internal sealed partial class DeviceContext(Device device)
{
    /// <summary>Number of arrays in one scope that triggers the warning about a loop without its own scope.</summary>
    private const int ManyArrays = 1 << 14;

    /// <summary>
    /// Number of tapes in one scope that triggers the warning about a training loop without its own scope.
    /// </summary>
    private const int ManyTapes = 16;

    /// <summary>The contexts that the calling thread has open, one per device, linked by <see cref="_next"/>.</summary>
    [ThreadStatic]
    private static DeviceContext? _first;

    private readonly List<Frame> _frames = [];
    private DeviceContext? _next;
    private long _scopeCount;

    public Device Device { get; } = device;

    /// <summary>The thread with open scopes in this context; null if there are none.</summary>
    public Thread? Owner { get; private set; }

    /// <summary>The device's stamp of deferred work at the start of the outermost scope.</summary>
    public long Since { get; private set; }

    /// <summary>Frees that wait for the end of this thread's outermost scope.</summary>
    public List<DeferredFree> Waiting { get; private set; } = [];

    /// <summary>The recording tape, if any.</summary>
    public Tape? Tape { get; set; }

    /// <summary>The claim on trainable weights by this context's live tapes; null if there are none.</summary>
    public TapeClaim? Claim { get; private set; }

    /// <summary>Number of open scopes.</summary>
    public int Depth { get; private set; }

    /// <summary>The storages that the captured work has used so far; null unless a capture is running.</summary>
    public HashSet<Storage>? Recorded { get; set; }

    /// <summary>The calling thread's active context of a device; null if it has none.</summary>
    /// <remarks>Every operand calls it. The first context nearly always matches.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DeviceContext? Of(Device device)
    {
        DeviceContext? first = _first;
        return first is null || first.Device == device ? first : Behind(first, device);
    }

    /// <summary>Makes this the calling thread's context. Requires the device's gate.</summary>
    public void Enter(long since)
    {
        (Owner, Since) = (Thread.CurrentThread, since);
        (_next, _first) = (_first, this);
    }

    /// <summary>Detaches the context from its thread, which has no open scope. Requires the device's gate.</summary>
    /// <returns>The frees that were waiting for this thread.</returns>
    public List<DeferredFree> Leave()
    {
        if (Owner == Thread.CurrentThread)
        {
            Unlink();
        }

        (Owner, _next, Tape) = (null, null, null);
        EndClaim();
        List<DeferredFree> waiting = Waiting;
        if (waiting.Count > 0)
        {
            Waiting = [];
        }

        return waiting;
    }

    /// <summary>Opens a scope inside the open ones.</summary>
    public DeviceScope Begin()
    {
        if (Depth == _frames.Count)
        {
            _frames.Add(new());
        }

        Frame frame = _frames[Depth++];
        frame.Begin(++_scopeCount, Tape);
        return new(new(this, Depth, frame.Id));
    }

    /// <summary>Ends a scope, which must be the innermost.</summary>
    public void End(int depth, long id)
    {
        if (Device.IsDisposed && !IsOpen(depth, id))
        {
            return; // this thread has disposed the device, which ended its scopes
        }

        RequireOpen(depth, id);
        if (depth < Depth)
        {
            throw new InvalidOperationException(
                "A scope that was opened inside this one has not been disposed. Dispose scopes in the reverse order.");
        }

        EndInnermost();
        if (Depth == 0)
        {
            Device.Leave(this);
        }
    }

    /// <summary>Ends all scopes, because the device is disposed or the thread has terminated.</summary>
    public void EndAll()
    {
        while (Depth > 0)
        {
            EndInnermost();
        }
    }

    /// <summary>Moves memory out of a scope: to the enclosing scope, or to the caller.</summary>
    public void KeepBeyond(int depth, long id, Storage storage)
    {
        RequireOpen(depth, id);
        if (storage.Device != Device)
        {
            throw new ArgumentException($"The array is on \"{storage.Device}\"; the scope is of \"{Device}\".");
        }

        if (storage.IsOwned)
        {
            return;
        }

        Require(storage);
        if (storage.Depth < depth)
        {
            return; // already belongs to an outer scope
        }

        Remove(storage);
        if (depth == 1)
        {
            (storage.Depth, storage.Context) = (0, null);
            Device.Own(storage);
        }
        else
        {
            storage.Depth = depth - 1;
            Add(storage, _frames[depth - 2]);
        }
    }

    /// <summary>Frees memory of the innermost scope before the scope ends.</summary>
    public void EndEarly(Storage storage)
    {
        Require(storage);
        Remove(storage);
        GiveBack(storage);
    }

    /// <summary>Throws if memory belongs to a scope of another thread.</summary>
    public void Require(Storage storage)
    {
        if (storage.Context is { } context && context != this)
        {
            throw Foreign(storage);
        }
    }

    /// <summary>The exception for a thread that uses an array of another thread's scope.</summary>
    public static InvalidOperationException Foreign(Storage storage) => new(
        $"This array belongs to a scope of {Name(storage.Context?.Owner)}, which may free it at any moment; this is " +
        $"{Name(Thread.CurrentThread)}. Only owned arrays (weights, states, what DeviceScope.Keep moved out of the " +
        "outermost scope) are shared: copy the array with ToArray on its own thread.");

    /// <summary>Describes a thread for a message.</summary>
    public static string Name(Thread? thread) => thread is null
        ? "a thread that has ended"
        : string.Create(CultureInfo.InvariantCulture, $"thread {thread.ManagedThreadId}");

    /// <summary>Counts a tape that begins in the innermost scope, and claims weights for it.</summary>
    /// <returns>Depth and id of the scope.</returns>
    public (int Depth, long Id) BeginTape()
    {
        Frame frame = _frames[Depth - 1];
        if (++frame.Tapes == ManyTapes)
        {
            Warn(frame, $"{ManyTapes} tapes have begun in one scope; open a scope for every training step.");
        }

        if (Claim is null or { IsOver: true })
        {
            Claim = new(Owner!.ManagedThreadId);
        }

        Claim.Begin();
        Device.CountTapes(1);
        return (Depth, frame.Id);
    }

    /// <summary>Whether a scope is still open.</summary>
    public bool IsOpen(int depth, long id) =>
        depth <= Depth && depth <= _frames.Count && _frames[depth - 1].Id == id;

    private static DeviceContext? Behind(DeviceContext first, Device device)
    {
        DeviceContext? context = first._next;
        while (context is not null && context.Device != device)
        {
            context = context._next;
        }

        return context;
    }

    private void RequireOpen(int depth, long id)
    {
        if (!IsOpen(depth, id))
        {
            throw new InvalidOperationException("This scope has ended already.");
        }
    }

    private void EndInnermost()
    {
        Frame frame = _frames[Depth - 1];
        if (Tape is { } tape)
        {
            tape.ScopeEnds(Depth, frame.Id, frame.Tape == tape ? frame.Recorded : tape.Count);
        }

        for (int i = frame.Storages.Count - 1; i >= 0; i--)
        {
            GiveBack(frame.Storages[i]);
        }

        frame.Storages.Clear();
        Depth--;
    }

    private void EndClaim()
    {
        Claim?.End();
        Claim = null;
    }

    private void Unlink()
    {
        if (_first == this)
        {
            _first = _next;
            return;
        }

        for (DeviceContext? context = _first; context is not null; context = context._next)
        {
            if (context._next == this)
            {
                context._next = _next;
                return;
            }
        }
    }

    private void Remove(Storage storage)
    {
        List<Storage> storages = _frames[storage.Depth - 1].Storages;
        storages.RemoveAt(storages.LastIndexOf(storage));
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
            Device.Warning?.Invoke(string.Create(
                CultureInfo.InvariantCulture,
                $"Mamba: a scope holds {frame.Storages.Count:N0} arrays, {bytes / 1e6:N0} MB, that are freed when it " +
                $"ends: {advice}"));
        }
    }

    /// <summary>The data of an open scope.</summary>
    private sealed class Frame
    {
        /// <summary>Memory that the scope frees.</summary>
        public List<Storage> Storages { get; } = [];

        /// <summary>Id of the scope, unique in the context.</summary>
        public long Id { get; private set; }

        /// <summary>
        /// The tape at the start of the scope; <see cref="Recorded"/> is the number of its operations then.
        /// </summary>
        public Tape? Tape { get; private set; }

        public int Recorded { get; private set; }

        /// <summary>Number of tapes begun in the scope.</summary>
        public int Tapes { get; set; }

        public bool IsWarned { get; set; }

        public void Begin(long id, Tape? tape) =>
            (Id, Tape, Recorded, Tapes, IsWarned) = (id, tape, tape?.Count ?? 0, 0, false);
    }
}
