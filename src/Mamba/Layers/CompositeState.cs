using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>The state of a mixer that consists of several mixers: one state for each.</summary>
/// <remarks>
/// It is cloned, copied, saved and restored as a whole. A mixer's Forward computes on a <see cref="LayerState.Draft"/>
/// and calls <see cref="LayerState.Commit"/> at the end, so that a part that fails leaves the others unchanged. A mixer
/// that overrides Step holds a <see cref="StepGuard"/> for the same reason.
/// </remarks>
/// <example>
/// <code>
/// using CompositeState state = CompositeState.Of(batch: 1, mixer, mixer);
/// Console.WriteLine(state.Parts.Count);      // 2
/// </code>
/// </example>
public sealed class CompositeState : LayerState
{
    private LayerState[] _parts;

    /// <summary>Combines states into one, which disposes them.</summary>
    /// <param name="parts">At least one state. All have the same device and batch, and none occurs twice.</param>
    /// <exception cref="ArgumentException">
    /// The list is empty, a state occurs twice, or devices or batches differ.
    /// </exception>
    public CompositeState(params LayerState[] parts)
        : base(First(parts).Device, parts[0].Batch)
    {
        for (int i = 0; i < parts.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(parts[i], $"{nameof(parts)}[{i}]");
            if (parts[i].Device != Device || parts[i].Batch != Batch)
            {
                throw new ArgumentException(
                    $"Part 0 holds {Batch} sequences on \"{Device}\"; part {i} holds {parts[i].Batch} on " +
                    $"\"{parts[i].Device}\".",
                    nameof(parts));
            }

            if (Array.IndexOf(parts, parts[i]) != i)
            {
                throw new ArgumentException($"Part {i} is part {Array.IndexOf(parts, parts[i])} too.", nameof(parts));
            }
        }

        _parts = [.. parts];
    }

    /// <summary>The states, in constructor order.</summary>
    public IReadOnlyList<LayerState> Parts => _parts;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">Parts hold different numbers of tokens.</exception>
    public override int Length
    {
        get
        {
            int[] lengths = [.. _parts.Where(part => part.HoldsTokens).Select(part => part.Length).Distinct()];
            return lengths.Length <= 1
                ? lengths.FirstOrDefault()
                : throw DifferentLengths(lengths);
        }
    }

    /// <inheritdoc/>
    public override bool HoldsTokens => Array.Exists(_parts, part => part.HoldsTokens);

    internal override long Room
    {
        get
        {
            long room = 0;
            foreach (LayerState part in _parts)
            {
                room = unchecked((room * 31) + part.Room);
            }

            return room;
        }
    }

    internal override bool HasLengths => Array.TrueForAll(_parts, part => part.HasLengths || !part.HoldsTokens);

    /// <inheritdoc/>
    public override int LengthOf(int slot)
    {
        RequireSlot(slot, Batch, nameof(slot));
        int[] lengths = [.. _parts.Where(part => part.HoldsTokens).Select(part => part.LengthOf(slot)).Distinct()];
        return lengths.Length <= 1 ? lengths.FirstOrDefault() : throw DifferentLengths(lengths);
    }

    /// <summary>Makes the state of several mixers. If one state cannot be made, the earlier ones are freed.</summary>
    /// <param name="batch">Number of sequences.</param>
    /// <param name="mixers">The mixers.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public static CompositeState Of(int batch, params ReadOnlySpan<SequenceMixer> mixers) =>
        Of(mixers.ToArray(), mixer => mixer.CreateState(batch));

    internal override bool IsGuarded
    {
        get => base.IsGuarded;
        set
        {
            base.IsGuarded = value;
            GuardParts(value);
        }
    }

    /// <summary>While the whole state steps, no part restores itself alone.</summary>
    internal override bool IsStepping
    {
        get => base.IsStepping;
        set
        {
            base.IsStepping = value;
            GuardParts(value || IsGuarded);
        }
    }

    internal override bool IsChanged
    {
        get
        {
            foreach (LayerState part in _parts)
            {
                if (part.IsChanged)
                {
                    return true;
                }
            }

            return false;
        }

        set
        {
            foreach (LayerState part in _parts)
            {
                part.IsChanged = value;
            }
        }
    }

    internal override DeviceArray[] Contents => [.. _parts.SelectMany(part => part.Contents)];

    /// <inheritdoc/>
    protected internal override LayerState CreateEmpty(int batch) => Of(_parts, part => part.CreateEmpty(batch));

    /// <inheritdoc/>
    protected internal override void PrepareStep(StateSlots? slots = null)
    {
        foreach (LayerState part in _parts)
        {
            part.PrepareStep(slots);
        }
    }

    /// <inheritdoc/>
    protected internal override void SetLength(int length)
    {
        foreach (LayerState part in _parts.Where(part => part.HoldsTokens))
        {
            part.SetLength(length);
        }
    }

    internal override void SetAppendsInPlace(bool value)
    {
        base.SetAppendsInPlace(value);
        foreach (LayerState part in _parts)
        {
            part.SetAppendsInPlace(value);
        }
    }

    internal override void SetLengths(ReadOnlySpan<int> lengths)
    {
        foreach (LayerState part in _parts)
        {
            if (part.HoldsTokens)
            {
                part.SetLengths(lengths);
            }
        }
    }

    internal override void Reserve(int length, Segments? segments = null, StateSlots? slots = null)
    {
        foreach (LayerState part in _parts)
        {
            part.Reserve(length, segments, slots);
        }
    }

    internal override void ReserveFor(LayerState other, int otherSlot)
    {
        for (int i = 0; i < _parts.Length; i++)
        {
            _parts[i].ReserveFor(((CompositeState)other)._parts[i], otherSlot);
        }
    }

    /// <inheritdoc/>
    protected internal override bool Grows(int index)
    {
        foreach (LayerState part in _parts)
        {
            if (index < part.Contents.Length)
            {
                return part.Grows(index);
            }

            index -= part.Contents.Length;
        }

        return false;
    }

    /// <inheritdoc/>
    protected internal override void Refresh()
    {
        foreach (LayerState part in _parts)
        {
            part.Refresh();
        }
    }

    internal override void AddLeaves(List<LayerState> leaves)
    {
        foreach (LayerState part in _parts)
        {
            part.AddLeaves(leaves);
        }
    }

    internal override IReadOnlyList<DeviceArray> Read() => [.. _parts.SelectMany(part => part.Arrays)];

    internal override bool IsLike(LayerState other) =>
        base.IsLike(other)
        && ((CompositeState)other)._parts.Length == _parts.Length
        && _parts.Zip(((CompositeState)other)._parts).All(pair => pair.First.IsLike(pair.Second));

    internal override void CopyRows(int slot, LayerState other, int otherSlot)
    {
        for (int i = 0; i < _parts.Length; i++)
        {
            _parts[i].CopyRows(slot, ((CompositeState)other)._parts[i], otherSlot);
        }
    }

    internal override void DetachContents()
    {
        foreach (LayerState part in _parts)
        {
            part.DetachContents();
        }
    }

    internal override void Free()
    {
        foreach (LayerState part in _parts ?? []) // null if the constructor has thrown
        {
            part.Dispose();
        }
    }

    internal override LayerState Over(ReadOnlySpan<DeviceArray> arrays)
    {
        CompositeState view = (CompositeState)base.Over([]);
        view._parts = new LayerState[_parts.Length];
        int start = 0;
        for (int i = 0; i < _parts.Length; i++)
        {
            int count = _parts[i].Contents.Length;
            view._parts[i] = _parts[i].Over(arrays.Slice(start, count));
            start += count;
        }

        return view;
    }

    internal override void Restore(LayerState? before, StateSlots? slots)
    {
        for (int i = 0; i < _parts.Length; i++)
        {
            _parts[i].Restore(((CompositeState?)before)?._parts[i], slots);
        }
    }

    internal override void RequireUsable()
    {
        base.RequireUsable();
        foreach (LayerState part in _parts)
        {
            part.RequireUsable();
        }
    }

    internal override void Enter(bool isRead)
    {
        base.Enter(isRead);
        int entered = 0;
        try
        {
            for (; entered < _parts.Length; entered++)
            {
                _parts[entered].Enter(isRead);
            }
        }
        finally
        {
            if (entered < _parts.Length)
            {
                Exit(entered, isRead);
            }
        }
    }

    internal override void Exit(bool isRead) => Exit(_parts.Length, isRead);

    private void Exit(int count, bool isRead)
    {
        for (int i = 0; i < count; i++)
        {
            _parts[i].Exit(isRead);
        }

        base.Exit(isRead);
    }

    private void GuardParts(bool isGuarded)
    {
        foreach (LayerState part in _parts)
        {
            part.IsGuarded = isGuarded;
        }
    }

    private static CompositeState Of<T>(T[] sources, Func<T, LayerState> create)
    {
        List<LayerState> made = [];
        try
        {
            foreach (T source in sources)
            {
                made.Add(create(source));
            }

            return new([.. made]);
        }
        catch
        {
            made.ForEach(state => state.Dispose());
            throw;
        }
    }

    private static InvalidOperationException DifferentLengths(int[] lengths) =>
        new($"Parts of this state hold {string.Join(" and ", lengths)} tokens; expected one number.");

    private static LayerState First(LayerState[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        return parts.Length == 0
            ? throw new ArgumentException("Expected at least one state; found none.", nameof(parts))
            : parts[0] ?? throw new ArgumentNullException($"{nameof(parts)}[0]");
    }
}
