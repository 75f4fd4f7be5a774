using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>
/// What a layer remembers of the sequences that it has seen: a value that can be cloned, copied, saved and loaded.
/// </summary>
/// <remarks>
/// Under a tape the arrays are those of the tape, so that gradients flow from piece to piece; <see cref="Detach"/> ends
/// that, before the tape's scope ends.
/// </remarks>
public abstract class LayerState : IDisposable
{
    private List<DeviceArray> _own = [];
    private List<DeviceArray> _current = [];

    private protected LayerState(Device device, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        Device = device;
        Batch = batch;
    }

    /// <summary>Where the state lives.</summary>
    public Device Device { get; }

    /// <summary>Number of sequences.</summary>
    public int Batch { get; }

    /// <summary>The arrays, each of shape [batch, ...].</summary>
    public IReadOnlyList<DeviceArray> Arrays => _current;

    /// <summary>Tokens that the arrays hold one by one: 0 but in attention.</summary>
    internal virtual int Length => 0;

    /// <summary>Makes an equal state with memory of its own.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    public LayerState Clone()
    {
        LayerState copy = CreateEmpty(Batch);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Takes over what another state remembers.</summary>
    /// <param name="other">A state of the same layer and number of sequences.</param>
    /// <exception cref="ArgumentException">The other state has other shapes.</exception>
    public virtual void CopyFrom(LayerState other)
    {
        ArgumentNullException.ThrowIfNull(other);
        RequireSameKind(other, Batch);
        for (int i = 0; i < _own.Count; i++)
        {
            Device.Copy(other._current[i], _own[i]);
            _current[i] = _own[i];
        }
    }

    /// <summary>Copies one sequence's memory: a fork, or a place in a batch that another conversation takes.</summary>
    /// <param name="slot">The sequence here that is overwritten.</param>
    /// <param name="other">A state of the same layer.</param>
    /// <param name="otherSlot">The sequence there.</param>
    /// <exception cref="ArgumentException">The other state has other shapes.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    public virtual void CopySlot(int slot, LayerState other, int otherSlot)
    {
        ArgumentNullException.ThrowIfNull(other);
        RequireSlot(slot, Batch);
        RequireSlot(otherSlot, other.Batch);
        RequireSameKind(other, other.Batch);
        Detach();
        for (int i = 0; i < _own.Count; i++)
        {
            Device.Copy(RowOf(other._current[i], otherSlot), RowOf(_own[i], slot));
        }
    }

    /// <summary>Forgets which tape the arrays came from; gradients no longer flow to what came before.</summary>
    public void Detach()
    {
        for (int i = 0; i < _own.Count; i++)
        {
            if (_current[i].Storage != _own[i].Storage)
            {
                Keep(i, _current[i]);
            }
        }
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (DeviceArray array in _own)
        {
            Device.Free(array);
        }

        _own.Clear();
        _current.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes a state of the same layer for a number of sequences, with its contents not set.</summary>
    internal abstract LayerState CreateEmpty(int batch);

    /// <summary>Whether the arrays grow with the number of tokens.</summary>
    internal virtual bool HoldsTokens => false;

    /// <summary>Makes room for a number of remembered tokens; most states are of one size for any number.</summary>
    internal virtual void SetLength(int length)
    {
    }

    /// <summary>
    /// A state of the same layer that holds given arrays and takes over new ones as they are, without memory of its own:
    /// the layer becomes a function of arrays.
    /// </summary>
    internal LayerState Over(ReadOnlySpan<DeviceArray> arrays)
    {
        LayerState view = (LayerState)MemberwiseClone();
        view._own = [];
        view._current = [.. arrays];
        return view;
    }

    /// <summary>Takes the values of all arrays that are new.</summary>
    internal void Take(ReadOnlySpan<DeviceArray> arrays)
    {
        for (int i = 0; i < arrays.Length; i++)
        {
            if (arrays[i].Storage != _current[i].Storage)
            {
                Set(i, arrays[i]);
            }
        }
    }

    private protected int AddArray(Shape shape)
    {
        DeviceArray array = Device.AllocateOwned(shape);
        Device.Fill(array, 0f);
        _own.Add(array);
        _current.Add(array);
        return _own.Count - 1;
    }

    /// <summary>The state's own memory, for operations that update it in place.</summary>
    private protected DeviceArray InPlace(int index)
    {
        Detach();
        return _own[index];
    }

    /// <summary>Takes a new value: a copy of it, or, under a tape that follows it, itself.</summary>
    private protected void Set(int index, DeviceArray value)
    {
        bool hasMemory = _own.Count > 0;
        if (!hasMemory || (value.RequiresGradient && Device.Tape is not null))
        {
            _current[index] = value;
            return;
        }

        Keep(index, value);
    }

    private void Keep(int index, DeviceArray value)
    {
        if (value.Shape != _own[index].Shape)
        {
            Device.Free(_own[index]);
            _own[index] = Device.AllocateOwned(value.Shape);
        }

        Device.Copy(value, _own[index]);
        _current[index] = _own[index];
    }

    private static DeviceArray RowOf(DeviceArray array, int slot)
    {
        int width = (int)(array.Shape.Count / Math.Max(array.Shape[0], 1));
        return array.Reshape([array.Shape[0], width]).RowRange(slot, 1);
    }

    private static void RequireSlot(int slot, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slot);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, batch);
    }

    private void RequireSameKind(LayerState other, int batch)
    {
        bool same = other.GetType() == GetType() && other.Batch == batch && other._own.Count == _own.Count;
        for (int i = 0; same && i < _own.Count; i++)
        {
            same = _own[i].Shape.ToArray().AsSpan(1).SequenceEqual(other._own[i].Shape.ToArray().AsSpan(1));
        }

        if (!same)
        {
            throw new ArgumentException(
                $"The states differ: {Describe()} here, {other.Describe()} there.", nameof(other));
        }
    }

    private string Describe() => $"{GetType().Name} {string.Join(" ", _own.Select(array => array.Shape))}";
}
