using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// The state of a layer after the tokens that it has read. It can be cloned, copied, saved and loaded.
/// </summary>
/// <remarks>
/// Under a tape the arrays belong to the tape, so that gradients flow from piece to piece; <see cref="Detach"/> ends
/// that, and must be called before the tape's scope ends. Arrays that a tape has read stay unchanged until its backward
/// pass, even if the state changes or is disposed. A layer that fails for lack of memory leaves the state unchanged.
/// <para>
/// Only one thread at a time may use a state; a second one gets an exception. Several threads may clone it at once.
/// </para>
/// <para>
/// To write a state, derive from this class. Its constructor calls <see cref="Allocate"/> with the shapes of its
/// arrays, <see cref="CreateEmpty"/> makes another instance, and a method passes new values to <see cref="Take"/> at
/// the end of a layer's <see cref="SequenceMixer.Forward"/>. This class then provides cloning, copying, forking,
/// saving, loading and gradients. Additional fields are kept up to date by <see cref="Copied"/>,
/// <see cref="SlotCopied"/>, <see cref="Exchanged"/> and <see cref="Viewed"/>; they are not saved.
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

    /// <summary>Makes a state without arrays; the derived constructor calls <see cref="Allocate"/>.</summary>
    /// <param name="device">Device that holds the arrays.</param>
    /// <param name="batch">Number of sequences.</param>
    protected LayerState(Device device, int batch)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        Device = device;
        Batch = batch;
    }

    /// <summary>The device that holds the arrays.</summary>
    public Device Device { get; }

    /// <summary>Number of sequences.</summary>
    public int Batch { get; }

    /// <summary>The arrays, each of shape [batch, ...].</summary>
    /// <exception cref="ObjectDisposedException">The state has been disposed.</exception>
    /// <exception cref="InvalidOperationException">A step over the state failed and could not be undone.</exception>
    public IReadOnlyList<DeviceArray> Arrays
    {
        get
        {
            RequireUsable();
            return Read();
        }
    }

    /// <summary>
    /// Number of tokens that the arrays store individually, of the longest sequence; 0 unless
    /// <see cref="HoldsTokens"/>.
    /// </summary>
    public virtual int Length => 0;

    /// <summary>Whether the arrays grow with the number of tokens, as in attention.</summary>
    public virtual bool HoldsTokens => false;

    /// <summary>
    /// Whether a step over this state can be captured and replayed on devices that support it. The step must run the
    /// same device operations every time, and write only the state's own memory (<see cref="InPlace"/>).
    /// </summary>
    protected internal virtual bool CanRecord => false;

    /// <summary>Whether the model that contains the layer restores this state after a failed step.</summary>
    internal virtual bool IsGuarded { get; set; }

    /// <summary>Whether a step is in progress.</summary>
    internal virtual bool IsStepping { get; set; }

    /// <summary>Whether sequences may hold different numbers of tokens; see <see cref="LengthOf"/>.</summary>
    internal virtual bool HasLengths => false;

    /// <summary>Token capacity. Together with the batch it determines the memory that a step needs.</summary>
    internal virtual long Room => 0;

    /// <summary>
    /// Whether this is a draft that may append tokens in the memory of its original state. That state has reserved the
    /// room and is not used meanwhile.
    /// </summary>
    internal bool AppendsInPlace { get; private set; }

    internal virtual void SetAppendsInPlace(bool value) => AppendsInPlace = value;

    /// <summary>Whether this is a draft, which has no memory of its own.</summary>
    internal bool IsDraft => _own.Length < _current.Length;

    /// <summary>Whether the memory may have changed since this was last set to false.</summary>
    internal virtual bool IsChanged { get; set; }

    /// <summary>
    /// The current arrays, for checks; unlike <see cref="Read"/> it does not record the tape as a reader.
    /// </summary>
    internal virtual DeviceArray[] Contents => _current;

    /// <summary>Whether the contents are in the state's own memory, not in arrays of a tape.</summary>
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

    /// <summary>Whether a tape whose backward pass is pending may need the memory unchanged.</summary>
    private bool IsRead => _reader is { IsLive: true };

    /// <summary>Number of tokens of one sequence that the arrays store individually.</summary>
    /// <param name="slot">The sequence.</param>
    /// <returns>The number; 0 unless <see cref="HoldsTokens"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public virtual int LengthOf(int slot)
    {
        RequireSlot(slot, Batch, nameof(slot));
        return Length;
    }

    /// <summary>Makes an equal state with its own memory.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    public LayerState Clone() => Clone(null);

    /// <summary>Copies some sequences to a new state; null: all.</summary>
    internal LayerState Clone(StateSlots? slots)
    {
        RequireUsable();
        LayerState copy = CreateEmpty(slots?.Count ?? Batch);
        try
        {
            if (slots is null)
            {
                copy.CopyFrom(this);
                return copy;
            }

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

    /// <summary>Copies the contents of another state.</summary>
    /// <param name="other">A state of the same layer, device and batch.</param>
    /// <exception cref="ArgumentException">The other state has other shapes. This one is unchanged.</exception>
    public void CopyFrom(LayerState other)
    {
        using StateUse use = new(this), reading = new(other, isRead: true);
        RequireCopyable(other, other?.Batch == Batch);
        using DeviceScope scope = Device.Scope();
        TakeFrom(other!);
    }

    /// <summary>
    /// Copies one sequence from another state: to fork it, or to reuse a slot of a batch for another one.
    /// </summary>
    /// <param name="slot">The sequence of this state that is overwritten.</param>
    /// <param name="other">A state of the same layer and device.</param>
    /// <param name="otherSlot">The sequence of the other state.</param>
    /// <exception cref="ArgumentException">The other state has other shapes. This one is unchanged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    /// <exception cref="InvalidOperationException">
    /// A tape follows one of the states, and overwriting has no gradient.
    /// </exception>
    public void CopySlot(int slot, LayerState other, int otherSlot)
    {
        using StateUse use = new(this), reading = new(other, isRead: true);
        RequireCopySlot(slot, other, otherSlot);
        ReserveFor(other, otherSlot);
        using DeviceScope scope = Device.Scope();
        CopyRows(slot, other, otherSlot);
    }

    /// <summary>Detaches the arrays from their tape, so that gradients no longer flow to earlier tokens.</summary>
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
    /// Makes a state with the same contents that adopts new arrays without a copy and leaves this one unchanged. It is
    /// meant for a <see cref="SequenceMixer.Forward"/> of several parts, a later one of which may fail. It has no
    /// memory of its own, needs no disposal, and lives in the present scope.
    /// </summary>
    /// <returns>The draft, for <see cref="Commit"/>.</returns>
    public LayerState Draft() => Over([.. Arrays]);

    /// <summary>
    /// Makes a draft. If no tape records, the draft appends tokens in this state's memory; they become part of this
    /// state only by <see cref="TakeFrom"/>. Only one such draft may exist at a time.
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

    /// <summary>Adopts the contents of a draft, with gradients.</summary>
    /// <param name="draft">A draft of this state.</param>
    /// <exception cref="ArgumentException">The draft is of another state.</exception>
    public void Commit(LayerState draft)
    {
        using StateUse use = new(this);
        RequireCopyable(draft, draft?.Batch == Batch);
        TakeFrom(draft!);
    }

    /// <summary>
    /// Frees the memory. If another thread is using the state, that thread frees it at the end of its use.
    /// </summary>
    public void Dispose()
    {
        _isDisposed = true;
        Interlocked.MemoryBarrier(); // the using thread sees the flag, or this thread sees that the use has ended
        FreeIfUnused();
        GC.SuppressFinalize(this);
    }

    /// <summary>Begins a use by the calling thread; <see cref="Exit"/> ends it. Uses may be nested.</summary>
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

    /// <summary>Called with the mixer that reads the state next; it fits this state.</summary>
    /// <param name="mixer">The mixer.</param>
    protected internal virtual void BeginWith(SequenceMixer mixer)
    {
    }

    /// <summary>
    /// Prepares the memory that a step changes in place: the state's own, not needed by a tape, with current contents.
    /// </summary>
    /// <param name="slots">The sequences that step; null: all.</param>
    protected internal virtual void PrepareStep(StateSlots? slots = null) => MakeOwn();

    /// <summary>Makes another state of the same layer, whose contents a copy or a file will overwrite.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <returns>A state of the same class.</returns>
    protected internal abstract LayerState CreateEmpty(int batch);

    /// <summary>
    /// Resizes the arrays to a number of tokens before a file is read or written, and keeps the first tokens. Called
    /// only if <see cref="HoldsTokens"/>.
    /// </summary>
    /// <param name="length">Number of tokens.</param>
    protected internal virtual void SetLength(int length)
    {
    }

    /// <summary>Resizes the arrays to a number of tokens per sequence, like <see cref="SetLength"/>.</summary>
    internal virtual void SetLengths(ReadOnlySpan<int> lengths) => SetLength(lengths.IsEmpty ? 0 : lengths[0]);

    /// <summary>
    /// Reserves room after the tokens of each sequence, so that new ones can be written in place. The contents stay the
    /// same. Must not be called under a tape.
    /// </summary>
    /// <param name="length">New tokens of every sequence, unless they are packed.</param>
    /// <param name="segments">Packed sequences.</param>
    /// <param name="slots">The sequences; null: all, in order.</param>
    internal virtual void Reserve(int length, Segments? segments = null, StateSlots? slots = null)
    {
    }

    /// <summary>Reserves room for the tokens of a sequence that is about to be copied here.</summary>
    internal virtual void ReserveFor(LayerState other, int otherSlot)
    {
    }

    /// <summary>
    /// Whether the second axis of an array grows with the number of tokens. If so, its shape is [batch, tokens, width].
    /// </summary>
    /// <param name="index">Index of the array.</param>
    /// <returns>Whether it grows.</returns>
    protected internal virtual bool Grows(int index) => false;

    /// <summary>Writes pending contents to memory, so that the arrays can be saved.</summary>
    protected internal virtual void Refresh()
    {
    }

    /// <summary>
    /// A view: a state of the same layer over given arrays. It adopts new arrays without a copy and has no memory of
    /// its own, so the layer becomes a function of arrays.
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

    /// <summary>Adopts the arrays of a view, or copies them if no tape follows them.</summary>
    internal void TakeFrom(LayerState other) => TakeAll([this], [other]);

    /// <summary>Makes states adopt the arrays of others: all of them, or none if memory does not suffice.</summary>
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
                ReleaseExcept(targets[i], states[i]._own, states[i].Device.Release); // keeps what was adopted
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
    /// Restores the contents from before a failed step. It exchanges memory with a clone, because no memory may be left
    /// to allocate; without a clone the contents are lost. If only some sequences stepped, the clone holds just those,
    /// and they are copied back.
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

    /// <summary>
    /// Throws if the state is disposed, has lost its contents, or is being changed by another thread.
    /// </summary>
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
            _ => "in use by another thread", // it has finished meanwhile
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

    /// <summary>The states that own memory: this one, or the parts of a composite.</summary>
    internal virtual void AddLeaves(List<LayerState> leaves) => leaves.Add(this);

    /// <summary>The arrays, for the present tape.</summary>
    internal virtual IReadOnlyList<DeviceArray> Read()
    {
        _reader = IsRead ? _reader : Device.Tape;
        return _current;
    }

    /// <summary>Copies one sequence's memory, without checks.</summary>
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

    /// <summary>Copies arrays that a tape computed to the state's own memory.</summary>
    internal virtual void DetachContents()
    {
        if (!IsOwn)
        {
            CopyToOwn();
        }
    }

    /// <summary>Frees the memory. No thread may be using it.</summary>
    internal virtual void Free()
    {
        foreach (DeviceArray array in _own)
        {
            Release(array);
        }
    }

    /// <summary>Whether another state has the same class, device and sizes.</summary>
    internal virtual bool IsLike(LayerState other) =>
        other.GetType() == GetType() && other.Device == Device && HasShapesOf(other);

    /// <summary>Makes the arrays, filled with zeros. Call it once, in the constructor.</summary>
    /// <param name="shapes">
    /// The shapes, each [batch, ...], in the order of <see cref="Arrays"/> and of saved states.
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
    /// The state's own memory of an array, for a step that updates it in place: by in-place operations, or by
    /// <see cref="DeviceArray.CopyFrom(DeviceArray)"/>. It allocates nothing once the memory exists. The step holds a
    /// <see cref="StepGuard"/>, which restores the memory if the step fails.
    /// </summary>
    /// <param name="index">Index of the array.</param>
    /// <returns>The array.</returns>
    /// <exception cref="InvalidOperationException">This is a draft, which has no memory of its own.</exception>
    protected DeviceArray InPlace(int index)
    {
        MakeOwn();
        if (_own.Length < _current.Length)
        {
            throw new InvalidOperationException(
                $"A draft of the state {GetType().Name} has no memory to step in: call Forward, or step over the " +
                "state itself.");
        }

        IsChanged = true;
        return _own[index];
    }

    /// <summary>
    /// Changes the second axis of the arrays that grow, in the state's own memory. Keeps the first tokens and fills the
    /// rest with zeros.
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
                    Device.Fill(targets[i], 0f); // now, because a CPU commits memory at the first write
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

    /// <summary>
    /// Copies the contents to the state's own memory, unless they are there already and no tape needs it.
    /// </summary>
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
            ReleaseExcept(targets, _own, Device.Release); // another thread has disposed the source
            throw;
        }
    }

    /// <summary>
    /// Updates the state with copies of new values or, under a tape that follows them, with the values themselves. Call
    /// it last in a layer, after everything that can fail. If memory does not suffice, the state is unchanged.
    /// </summary>
    /// <param name="values">
    /// One value per array, of the same shape except for the number of tokens in arrays that grow.
    /// </param>
    /// <exception cref="ArgumentException">The values do not match the arrays. Nothing has changed.</exception>
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

    /// <summary>Called after another state's arrays were copied or adopted.</summary>
    /// <param name="other">The other state, of the same class.</param>
    protected virtual void Copied(LayerState other)
    {
    }

    /// <summary>Called after the memory was exchanged with that of a clone.</summary>
    /// <param name="other">The clone.</param>
    protected virtual void Exchanged(LayerState other)
    {
    }

    /// <summary>Called after a sequence of another state was copied.</summary>
    /// <param name="slot">The sequence of this state.</param>
    /// <param name="other">The other state, of the same class.</param>
    /// <param name="otherSlot">The sequence of the other state.</param>
    protected virtual void SlotCopied(int slot, LayerState other, int otherSlot)
    {
    }

    /// <summary>
    /// Called on a new memberwise copy of a state, which has its own arrays. Objects that fields refer to are still
    /// shared; copy them here.
    /// </summary>
    protected virtual void Viewed()
    {
    }

    /// <summary>Memory for copies of new values. A view needs none; arrays that have grown get new memory.</summary>
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
                    Device.Fill(targets[i], 0f); // now, because a CPU commits memory at the first write
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
        _reader = isTaken ? _reader : null; // no tape has read the new memory
    }

    /// <summary>Frees memory of this state, now or at the end of the tape that has read it.</summary>
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

    /// <summary>Whether a value is adopted without a copy, because a tape follows it.</summary>
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

    /// <summary>Whether all axes equal those of another state, except the number of sequences and of tokens.</summary>
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
