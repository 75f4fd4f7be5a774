using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// What a layer remembers of the sequences that it has seen: a value that can be cloned, copied, saved and loaded.
/// </summary>
/// <remarks>
/// Under a tape the arrays are those of the tape, so that gradients flow from piece to piece; <see cref="Detach"/> ends
/// that, before the tape's scope ends. What a tape has read stays as it was until the tape has gone backward, whatever
/// becomes of the state meanwhile. A layer that fails half way, for lack of memory, leaves the state as it was.
/// <para>
/// One thread at a time uses a state, whichever it is; another one is refused meanwhile. Several may clone it at once.
/// </para>
/// <para>
/// A state of your own derives from this class: its constructor calls <see cref="Allocate"/> with the shapes of its
/// arrays, <see cref="CreateEmpty"/> makes another one, and a method of it gives <see cref="Take"/> new values at the
/// end of a layer's <see cref="SequenceMixer.Forward"/>. Cloning, copying, forking, saving, loading and gradients come
/// from here. Fields beside the arrays, if any, are kept up to date by <see cref="Copied"/>, <see cref="SlotCopied"/>,
/// <see cref="Exchanged"/> and <see cref="Viewed"/>; they are not saved.
/// </para>
/// </remarks>
public abstract class LayerState : IDisposable
{
    private DeviceArray[] _own = [];
    private DeviceArray[] _current = [];
    private Tape? _reader;
    private UseLock _use = new();
    private volatile bool _isDisposed;
    private bool _isVoid;

    /// <summary>Makes a state, whose arrays <see cref="Allocate"/> makes.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="batch">Number of sequences.</param>
    protected LayerState(Device device, int batch)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        Device = device;
        Batch = batch;
    }

    /// <summary>Where the state lives.</summary>
    public Device Device { get; }

    /// <summary>Number of sequences.</summary>
    public int Batch { get; }

    /// <summary>The arrays, each of shape [batch, ...].</summary>
    /// <exception cref="ObjectDisposedException">The state has been disposed.</exception>
    /// <exception cref="InvalidOperationException">A step over the state failed half way.</exception>
    public IReadOnlyList<DeviceArray> Arrays
    {
        get
        {
            RequireUsable();
            return Read();
        }
    }

    /// <summary>
    /// Tokens that the arrays hold one by one, of the longest sequence; 0 unless <see cref="HoldsTokens"/>.
    /// </summary>
    public virtual int Length => 0;

    /// <summary>Whether arrays grow with the number of tokens, as in attention.</summary>
    public virtual bool HoldsTokens => false;

    /// <summary>
    /// Whether a step over this state may be recorded and replayed on a device that does so: it only runs operations of
    /// the device, the same ones every time, and writes nothing but the state's own memory (<see cref="InPlace"/>).
    /// </summary>
    protected internal virtual bool CanRecord => false;

    /// <summary>
    /// Whether somebody else puts this state back if a step fails: the model that the layer belongs to.
    /// </summary>
    internal virtual bool IsGuarded { get; set; }

    /// <summary>Whether a step has begun, and has not ended.</summary>
    internal virtual bool IsStepping { get; set; }

    /// <summary>Whether sequences may hold different numbers of tokens, see <see cref="LengthOf"/>.</summary>
    internal virtual bool HasLengths => false;

    /// <summary>Tokens that there is room for: what a step's memory depends on, besides its sequences.</summary>
    internal virtual long Room => 0;

    /// <summary>
    /// Whether this is a draft that may write behind the tokens in the memory of the state that it is a draft of: that
    /// state has made room, and is not used meanwhile.
    /// </summary>
    internal bool AppendsInPlace { get; private set; }

    internal virtual void SetAppendsInPlace(bool value) => AppendsInPlace = value;

    /// <summary>Whether this is a draft, which has no memory of its own.</summary>
    internal bool IsDraft => _own.Length < _current.Length;

    /// <summary>Whether the memory may have changed since this was last set to false, as a step does.</summary>
    internal virtual bool IsChanged { get; set; }

    /// <summary>The arrays as they are now, for checks; no tape that reads them is noted.</summary>
    internal virtual DeviceArray[] Contents => _current;

    /// <summary>Whether the contents are in the state's own memory, and not in arrays of a tape.</summary>
    private bool IsOwn
    {
        get
        {
            for (int i = 0; i < _own.Length; i++)
            {
                if (_current[i].Storage != _own[i].Storage)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Whether a tape that has not gone backward may need the memory as it is.</summary>
    private bool IsRead => _reader is { IsLive: true };

    /// <summary>Tokens of one sequence that the arrays hold one by one.</summary>
    /// <param name="slot">The sequence.</param>
    /// <returns>Their number; 0 unless <see cref="HoldsTokens"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public virtual int LengthOf(int slot)
    {
        RequireSlot(slot, Batch, nameof(slot));
        return Length;
    }

    /// <summary>Makes an equal state with memory of its own.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    public LayerState Clone()
    {
        RequireUsable();
        LayerState copy = CreateEmpty(Batch);
        try
        {
            copy.CopyFrom(this);
            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <summary>Copies some sequences to a state of their own; null: all.</summary>
    internal LayerState Clone(StateSlots? slots)
    {
        if (slots is null)
        {
            return Clone();
        }

        RequireUsable();
        LayerState copy = CreateEmpty(slots.Count);
        try
        {
            for (int i = 0; i < slots.Count; i++)
            {
                copy.CopySlot(i, this, slots.Rows[i]);
            }

            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <summary>Takes over what another state remembers.</summary>
    /// <param name="other">A state of the same layer, device and number of sequences.</param>
    /// <exception cref="ArgumentException">The other state has other shapes; this one is unchanged.</exception>
    public void CopyFrom(LayerState other)
    {
        using StateUse use = new(this), reading = new(other, isRead: true);
        RequireCopyable(other, other?.Batch == Batch);
        using DeviceScope scope = Device.Scope();
        TakeFrom(other!);
    }

    /// <summary>Copies one sequence's memory: a fork, or a place in a batch that another conversation takes.</summary>
    /// <param name="slot">The sequence here that is overwritten.</param>
    /// <param name="other">A state of the same layer and device.</param>
    /// <param name="otherSlot">The sequence there.</param>
    /// <exception cref="ArgumentException">The other state has other shapes; this one is unchanged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    /// <exception cref="InvalidOperationException">
    /// A tape follows one of the states: what is overwritten has no gradient.
    /// </exception>
    public void CopySlot(int slot, LayerState other, int otherSlot)
    {
        using StateUse use = new(this), reading = new(other, isRead: true);
        RequireCopySlot(slot, other, otherSlot);
        ReserveFor(other, otherSlot);
        using DeviceScope scope = Device.Scope();
        CopyRows(slot, other, otherSlot);
    }

    /// <summary>Forgets which tape the arrays came from; gradients no longer flow to what came before.</summary>
    /// <exception cref="ObjectDisposedException">
    /// The scope of the tape's arrays has ended, or the state is disposed.
    /// </exception>
    public void Detach()
    {
        using StateUse use = new(this);
        RequireUsable();
        DetachContents();
    }

    /// <summary>
    /// Makes a state with the same contents that takes over new arrays as they are, and leaves this one alone: for a
    /// layer of several parts, of which a later one may fail. It has no memory of its own and needs no disposal; it is
    /// for <see cref="SequenceMixer.Forward"/>, in the present scope.
    /// </summary>
    /// <returns>The draft, for <see cref="Commit"/>.</returns>
    public LayerState Draft() => Over([.. Arrays]);

    /// <summary>
    /// Makes a draft that writes behind the tokens in this state's memory, if no tape records: what stands there is no
    /// part of this state until <see cref="TakeFrom"/>. The only draft at a time.
    /// </summary>
    internal LayerState DraftInPlace(int length, Segments? segments)
    {
        bool isInPlace = Device.Tape is null;
        if (isInPlace)
        {
            Reserve(length, segments);
        }

        LayerState draft = Draft();
        draft.SetAppendsInPlace(isInPlace);
        return draft;
    }

    /// <summary>Takes over what a draft has become, with gradients.</summary>
    /// <param name="draft">A draft of this state.</param>
    /// <exception cref="ArgumentException">The draft is of another state.</exception>
    public void Commit(LayerState draft)
    {
        using StateUse use = new(this);
        RequireCopyable(draft, draft?.Batch == Batch);
        TakeFrom(draft!);
    }

    /// <summary>Frees the memory; if another thread uses the state, when that is done.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        Interlocked.MemoryBarrier(); // the thread that uses the state sees it, or this one sees that it is done
        FreeIfUnused();
        GC.SuppressFinalize(this);
    }

    /// <summary>Begins a use of the calling thread, which ends with <see cref="Exit"/>; may be nested.</summary>
    /// <exception cref="InvalidOperationException">Another thread uses the state.</exception>
    internal virtual void Enter(bool isRead)
    {
        if (isRead ? !_use.TryEnterRead() : !_use.TryEnter())
        {
            throw _isDisposed ? Disposed() : InUse(); // the other thread may be freeing the memory
        }
    }

    /// <summary>Ends a use.</summary>
    internal virtual void Exit(bool isRead)
    {
        if (isRead)
        {
            _use.ExitRead();
        }
        else
        {
            _use.Exit();
        }

        if (_isDisposed)
        {
            FreeIfUnused();
        }
    }

    /// <summary>Is told which mixer reads next; it fits this state.</summary>
    /// <param name="mixer">The mixer.</param>
    protected internal virtual void BeginWith(SequenceMixer mixer)
    {
    }

    /// <summary>
    /// Prepares what a step changes in place: memory of its own, which no tape needs, with its contents written.
    /// </summary>
    /// <param name="slots">The sequences that step; null: all.</param>
    protected internal virtual void PrepareStep(StateSlots? slots = null) => MakeOwn();

    /// <summary>Makes a state of the same layer, whose contents are written by a copy or a file.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>A state of the same class.</returns>
    protected internal abstract LayerState CreateEmpty(int batch);

    /// <summary>
    /// Makes room for a number of remembered tokens, before a file is read or written; only a state that
    /// <see cref="HoldsTokens"/> is asked. The arrays then have as many, and of those that were there the first.
    /// </summary>
    /// <param name="length">Number of tokens.</param>
    protected internal virtual void SetLength(int length)
    {
    }

    /// <summary>Makes room for a number of tokens of each sequence, as <see cref="SetLength"/> does.</summary>
    internal virtual void SetLengths(ReadOnlySpan<int> lengths) => SetLength(lengths.IsEmpty ? 0 : lengths[0]);

    /// <summary>
    /// Makes room for tokens that follow those of each sequence, so that they can be written in place; the state stays
    /// as it was. Without a tape.
    /// </summary>
    /// <param name="length">Tokens of every sequence, unless they are packed.</param>
    /// <param name="segments">Packed sequences.</param>
    /// <param name="slots">The sequences; null: all, in their order.</param>
    internal virtual void Reserve(int length, Segments? segments = null, StateSlots? slots = null)
    {
    }

    /// <summary>Makes room for the tokens of a sequence that is copied here.</summary>
    internal virtual void ReserveFor(LayerState other, int otherSlot)
    {
    }

    /// <summary>
    /// Whether an array's second axis grows with the number of tokens; the array is [batch, tokens, width] then.
    /// </summary>
    /// <param name="index">Which array.</param>
    /// <returns>Whether it grows.</returns>
    protected internal virtual bool Grows(int index) => false;

    /// <summary>Writes what the memory lacks, so that the arrays can be read for saving.</summary>
    protected internal virtual void Refresh()
    {
    }

    /// <summary>
    /// A state of the same layer that holds given arrays and takes over new ones as they are, without memory of its
    /// own: the layer becomes a function of arrays.
    /// </summary>
    internal virtual LayerState Over(ReadOnlySpan<DeviceArray> arrays)
    {
        RequireUsable();
        LayerState view = (LayerState)MemberwiseClone();
        view._use = new();
        view._own = [];
        view._reader = null;
        view._current = arrays.ToArray();
        view.AppendsInPlace = false;
        view.Viewed();
        return view;
    }

    /// <summary>Takes over the arrays of a view, or copies them if no tape follows them.</summary>
    internal void TakeFrom(LayerState other) => TakeAll([this], [other]);

    /// <summary>Lets states take over the arrays of others: all of them, or none if memory does not suffice.</summary>
    internal static void TakeAll(ReadOnlySpan<LayerState> states, ReadOnlySpan<LayerState> others)
    {
        states = LeavesOf(states);
        others = LeavesOf(others);
        DeviceArray[][] targets = new DeviceArray[states.Length][];
        int prepared = 0;
        try
        {
            for (; prepared < states.Length; prepared++)
            {
                targets[prepared] = states[prepared].Prepare(others[prepared]._current, canFollow: true);
            }

            for (int i = 0; i < states.Length; i++)
            {
                states[i].Adopt(others[i]._current, targets[i], canFollow: true);
                states[i]._isVoid = false;
                states[i].Copied(others[i]);
            }
        }
        catch
        {
            for (int i = 0; i < prepared; i++)
            {
                ReleaseExcept(targets[i], states[i]._own, states[i].Device.Release); // nothing of those committed
            }

            throw;
        }
    }

    /// <summary>Throws unless <see cref="CopySlot"/> can copy.</summary>
    internal void RequireCopySlot(int slot, LayerState other, int otherSlot)
    {
        RequireCopyable(other, isSame: HasLengths || other?.Length == Length);
        RequireUsable();
        RequireSlot(slot, Batch, nameof(slot));
        RequireSlot(otherSlot, other!.Batch, nameof(otherSlot));
        if (Tape.Follows([.. Contents, .. other.Contents]))
        {
            throw new InvalidOperationException(
                "A tape follows these states, and overwriting a sequence has no gradient. Detach both states first.");
        }
    }

    /// <summary>Throws unless <see cref="CopyFrom"/> can copy.</summary>
    internal void RequireCopyFrom(LayerState other) => RequireCopyable(other, other?.Batch == Batch);

    /// <summary>
    /// Puts back what was remembered before a step that failed half way, by exchanging the memory with a clone, for
    /// there may be none left; null: it is lost. If only some sequences stepped, the clone has those alone, and they
    /// are copied back to the memory where they were changed.
    /// </summary>
    internal virtual void Restore(LayerState? before, StateSlots? slots)
    {
        if (slots is not null && !IsChanged)
        {
            return;
        }

        if (before is null)
        {
            _isVoid = true;
            return;
        }

        if (slots is not null)
        {
            using DeviceScope scope = Device.Scope();
            for (int i = 0; i < slots.Count; i++)
            {
                CopyRows(slots.Rows[i], before, i);
            }

            return;
        }

        _isVoid = false;
        (_own, before._own) = (before._own, _own);
        (_reader, before._reader) = (before._reader, _reader);
        (_current, before._current) = (before._current, _current);
        Exchanged(before);
    }

    /// <summary>Throws unless the state lives, has its contents, and no other thread changes it.</summary>
    internal virtual void RequireUsable()
    {
        if (_isDisposed)
        {
            throw Disposed();
        }

        if (_use.OtherThread > 0)
        {
            throw InUse();
        }

        if (_isVoid)
        {
            throw new InvalidOperationException(
                "A step over this state failed half way, and what it remembers is lost. Copy a clone of it here, or " +
                "begin anew.");
        }
    }

    private ObjectDisposedException Disposed() =>
        new(GetType().Name, $"This {GetType().Name} has been disposed.");

    private InvalidOperationException InUse()
    {
        string user = _use.OtherThread switch
        {
            > 0 and int thread => $"in use by thread {thread}",
            < 0 => "being copied by another thread",
            _ => "in use by another thread", // which has done meanwhile
        };
        return new(
            $"This {GetType().Name} is {user}; this is thread {Environment.CurrentManagedThreadId}. One thread at a " +
            "time uses a state: give each thread a state of its own, or a clone.");
    }

    private void FreeIfUnused()
    {
        if (_use.TryEnter())
        {
            Free();
            _use.Exit();
        }
    }

    /// <summary>The states that have memory: this one, or the parts of a composite.</summary>
    internal virtual void AddLeaves(List<LayerState> leaves) => leaves.Add(this);

    /// <summary>The arrays, for the present tape.</summary>
    internal virtual IReadOnlyList<DeviceArray> Read()
    {
        _reader = IsRead ? _reader : Device.Tape;
        return _current;
    }

    /// <summary>Copies one sequence's memory, after all checks.</summary>
    internal virtual void CopyRows(int slot, LayerState other, int otherSlot)
    {
        MakeOwn();
        IsChanged = true;
        for (int i = 0; i < _own.Length; i++)
        {
            Device.Copy(RowOf(other._current[i], otherSlot), RowOf(_own[i], slot));
        }

        SlotCopied(slot, other, otherSlot);
    }

    /// <summary>Copies what a tape computed to memory of the state's own.</summary>
    internal virtual void DetachContents()
    {
        if (!IsOwn)
        {
            CopyToOwn();
        }
    }

    /// <summary>Frees the memory, which no thread uses.</summary>
    internal virtual void Free()
    {
        foreach (DeviceArray array in _own)
        {
            Release(array);
        }
    }

    /// <summary>Whether another state is of the same class and device, with the same sizes.</summary>
    internal virtual bool IsLike(LayerState other) =>
        other.GetType() == GetType() && other.Device == Device && HasShapesOf(other);

    /// <summary>Makes the arrays, of zeros; once, in a constructor.</summary>
    /// <param name="shapes">
    /// Their sizes, each [batch, ...]; the order is that of <see cref="Arrays"/> and of saved states.
    /// </param>
    /// <exception cref="InsufficientMemoryException">The device's memory does not suffice; nothing is kept.</exception>
    protected void Allocate(params ReadOnlySpan<Shape> shapes)
    {
        using DeviceScope scope = Device.Scope();
        try
        {
            foreach (Shape shape in shapes)
            {
                _own = [.. _own, Device.AllocateOwned(shape)];
                Device.Fill(_own[^1], 0f);
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        _current = [.. _own];
    }

    /// <summary>
    /// The state's own memory, for a step that updates it in place: with operations that do so, or with
    /// <see cref="DeviceArray.CopyFrom(DeviceArray)"/>. Nothing is allocated once the memory is there. The step holds a
    /// <see cref="StepGuard"/>, which puts the memory back if it fails.
    /// </summary>
    /// <param name="index">Which array.</param>
    /// <returns>The array.</returns>
    /// <exception cref="InvalidOperationException">This is a draft, which has no memory of its own.</exception>
    protected DeviceArray InPlace(int index)
    {
        MakeOwn();
        if (_own.Length < _current.Length)
        {
            throw new InvalidOperationException(
                $"A draft of the state {GetType().Name} has no memory to step in: call Forward, or step over the state " +
                "itself.");
        }

        IsChanged = true;
        return _own[index];
    }

    /// <summary>
    /// Gives the arrays that grow another second axis: in memory of the state's own, with the first of the tokens that
    /// were there, and zeros behind them.
    /// </summary>
    private protected void Resize(int capacity)
    {
        MakeOwn();
        DeviceArray[] targets = [.. _own];
        using DeviceScope scope = Device.Scope();
        try
        {
            for (int i = 0; i < targets.Length; i++)
            {
                if (Grows(i))
                {
                    targets[i] = Device.AllocateOwned([Batch, capacity, _own[i].Shape.Width]);
                    Device.Fill(targets[i], 0f); // now, because a CPU takes memory when it is first used
                }
            }
        }
        catch
        {
            ReleaseExcept(targets, _own, Device.Release);
            throw;
        }

        for (int i = 0; i < targets.Length; i++)
        {
            int before = Grows(i) ? _own[i].Shape[1] : 0, kept = Math.Min(before, capacity);
            for (int slot = 0; slot < Batch && kept > 0; slot++)
            {
                Device.Copy(
                    _own[i].RowRange((nint)slot * before, kept), targets[i].RowRange((nint)slot * capacity, kept));
            }
        }

        ReleaseExcept(_own, targets, Release);
        (_own, _current) = (targets, [.. targets]);
    }

    /// <summary>Copies the contents to memory of the state's own that no tape needs, unless they are there.</summary>
    private protected void MakeOwn()
    {
        RequireUsable();
        if (!IsOwn || IsRead)
        {
            CopyToOwn();
        }
    }

    private void CopyToOwn()
    {
        using DeviceScope scope = Device.Scope();
        TakeOver(_current, canFollow: false);
    }

    private void TakeOver(ReadOnlySpan<DeviceArray> values, bool canFollow)
    {
        DeviceArray[] targets = Prepare(values, canFollow);
        try
        {
            Adopt(values, targets, canFollow);
        }
        catch
        {
            ReleaseExcept(targets, _own, Device.Release); // another thread has disposed what is copied
            throw;
        }
    }

    /// <summary>
    /// Moves the state on: takes copies of new values, or, under a tape that follows them, the values themselves. Call
    /// it last in a layer, when nothing can fail any more: if memory does not suffice, nothing is taken.
    /// </summary>
    /// <param name="values">One for each array, of its shape but for tokens that it holds one by one.</param>
    /// <exception cref="ArgumentException">There are others; nothing has changed.</exception>
    protected void Take(params ReadOnlySpan<DeviceArray> values)
    {
        bool fits = values.Length == _current.Length;
        for (int i = 0; fits && i < values.Length; i++)
        {
            fits = values[i].Exists && (values[i].Shape == _current[i].Shape || Grows(i));
        }

        if (!fits)
        {
            string found = string.Join(" ", values.ToArray().Select(value => value.ToString()));
            throw new ArgumentException($"Expected values for {Describe()}; found {found}.", nameof(values));
        }

        TakeOver(values, canFollow: true);
    }

    /// <summary>Is told that another state's arrays were taken over.</summary>
    /// <param name="other">The other state, of the same class.</param>
    protected virtual void Copied(LayerState other)
    {
    }

    /// <summary>Is told that the memory was exchanged with that of a clone.</summary>
    /// <param name="other">The clone.</param>
    protected virtual void Exchanged(LayerState other)
    {
    }

    /// <summary>Is told that a sequence of another state was copied.</summary>
    /// <param name="slot">The sequence here.</param>
    /// <param name="other">The other state, of the same class.</param>
    /// <param name="otherSlot">The sequence there.</param>
    protected virtual void SlotCopied(int slot, LayerState other, int otherSlot)
    {
    }

    /// <summary>
    /// Is told that this is a new object, a memberwise copy of another state, with arrays of others: what fields refer
    /// to is shared until it is copied here.
    /// </summary>
    protected virtual void Viewed()
    {
    }

    /// <summary>
    /// The memory that new values are copied to: a view has none, and arrays that have grown get new memory.
    /// </summary>
    private DeviceArray[] Prepare(ReadOnlySpan<DeviceArray> values, bool canFollow)
    {
        DeviceArray[] targets = [.. _own];
        try
        {
            for (int i = 0; i < targets.Length; i++)
            {
                if (!IsTaken(values[i], canFollow) && (IsRead || values[i].Shape != _own[i].Shape))
                {
                    targets[i] = Device.AllocateOwned(values[i].Shape);
                    Device.Fill(targets[i], 0f); // now, because a CPU takes memory when it is first used
                }
            }

            return targets;
        }
        catch
        {
            ReleaseExcept(targets, _own, Device.Release);
            throw;
        }
    }

    private void Adopt(ReadOnlySpan<DeviceArray> values, DeviceArray[] targets, bool canFollow)
    {
        DeviceArray[] current = values.ToArray();
        bool isTaken = false;
        for (int i = 0; i < targets.Length; i++)
        {
            if (IsTaken(values[i], canFollow))
            {
                isTaken = true;
            }
            else
            {
                if (values[i].Storage != targets[i].Storage)
                {
                    Device.Copy(values[i], targets[i]);
                }

                current[i] = targets[i];
            }
        }

        ReleaseExcept(_own, targets, Release);
        (_own, _current, IsChanged) = (targets, current, true);
        _reader = isTaken ? _reader : null; // no tape has read new memory
    }

    /// <summary>Frees memory of this state, now or when the tape that has read it ends.</summary>
    private void Release(DeviceArray array)
    {
        if (IsRead)
        {
            _reader!.ReleaseAtEnd(array);
        }
        else
        {
            Device.Release(array);
        }
    }

    /// <summary>Whether a value is kept as it is, because a tape follows it, and not copied.</summary>
    private bool IsTaken(DeviceArray value, bool canFollow) =>
        canFollow && Device.Tape is not null && value.RequiresGradient;

    private static void ReleaseExcept(DeviceArray[] arrays, DeviceArray[] kept, Action<DeviceArray> release)
    {
        for (int i = 0; i < arrays.Length; i++)
        {
            if (arrays[i].Storage != kept[i].Storage)
            {
                release(arrays[i]);
            }
        }
    }

    private protected static DeviceArray RowOf(DeviceArray array, int slot)
    {
        int width = (int)(array.Shape.Count / Math.Max(array.Shape[0], 1));
        return array.Reshape([array.Shape[0], width]).RowRange(slot, 1);
    }

    private protected static void RequireSlot(int slot, int batch, string name)
    {
        if (slot < 0 || slot >= batch)
        {
            throw new ArgumentOutOfRangeException(
                name, slot, $"The state holds {batch} sequences; there is no number {slot}.");
        }
    }

    private void RequireCopyable(LayerState? other, bool isSame)
    {
        ArgumentNullException.ThrowIfNull(other);
        other.RequireUsable();
        if (_isDisposed)
        {
            RequireUsable();
        }

        if (!isSame || !IsLike(other))
        {
            throw new ArgumentException(
                $"The states differ: {Describe()} here, {other.Describe()} there.", nameof(other));
        }
    }

    /// <summary>Whether all axes are those of another state, but for the number of sequences and of tokens.</summary>
    private bool HasShapesOf(LayerState other)
    {
        for (int i = 0; i < _current.Length; i++)
        {
            int[] here = _current[i].Shape.ToArray(), there = other._current[i].Shape.ToArray();
            bool same = here.Length == there.Length;
            for (int axis = 1; same && axis < here.Length; axis++)
            {
                same = here[axis] == there[axis] || (axis == 1 && Grows(i));
            }

            if (!same)
            {
                return false;
            }
        }

        return true;
    }

    private string Describe() =>
        $"{GetType().Name} {string.Join(" ", Contents.Select(array => array.Shape))} on \"{Device}\"";

    private static LayerState[] LeavesOf(ReadOnlySpan<LayerState> states)
    {
        List<LayerState> leaves = new(states.Length);
        foreach (LayerState state in states)
        {
            state.AddLeaves(leaves);
        }

        return [.. leaves];
    }
}
