using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>The state of attention: a key/value cache, which grows with the number of tokens.</summary>
/// <remarks>
/// The arrays have spare capacity, which doubles when it is full, so appending a token copies no other token. Sequences
/// may hold different numbers of tokens (<see cref="LengthOf"/>). While a tape records, an append makes new arrays, as
/// long as the longest sequence.
/// </remarks>
public sealed class AttentionState : LayerState
{
    private const int KeysIndex = 0, ValuesIndex = 1, WindowIndex = 2;

    private readonly int _dim;
    private readonly int _windowRows;
    private readonly int _windowDim;
    private int[] _lengths;

    internal AttentionState(Device device, int batch, int dim, int windowRows, int windowDim)
        : base(device, batch)
    {
        _dim = dim;
        _windowRows = windowRows;
        _windowDim = windowDim;
        _lengths = new int[batch];
        Allocate([batch, 0, dim], [batch, 0, dim], [batch, windowRows, windowDim]);
    }

    /// <summary>
    /// Rotated keys, shape [batch, capacity, keyValueHeads·headDim]. The first <see cref="LengthOf"/> rows of each
    /// sequence are valid.
    /// </summary>
    public DeviceArray Keys => Arrays[KeysIndex];

    /// <summary>
    /// Values, shape [batch, capacity, keyValueHeads·headDim]. The first <see cref="LengthOf"/> rows of each sequence
    /// are valid.
    /// </summary>
    public DeviceArray Values => Arrays[ValuesIndex];

    /// <summary>The last inputs of the convolution; without a convolution it has no rows.</summary>
    public DeviceArray Window => Arrays[WindowIndex];

    /// <inheritdoc/>
    public override int Length
    {
        get
        {
            int longest = 0;
            foreach (int length in _lengths)
            {
                longest = Math.Max(longest, length);
            }

            return longest;
        }
    }

    /// <inheritdoc/>
    public override bool HoldsTokens => true;

    internal override bool HasLengths => true;

    /// <summary>The state's own memory of the window, for an in-place step.</summary>
    internal DeviceArray WindowInPlace => InPlace(WindowIndex);

    internal override long Room => Capacity;

    private int Capacity => Contents[KeysIndex].Shape[1];

    /// <inheritdoc/>
    public override int LengthOf(int slot)
    {
        RequireSlot(slot, Batch, nameof(slot));
        return _lengths[slot];
    }

    /// <summary>
    /// Number of tokens of each sequence. Under a tape it is a copy, because the tape may read it later.
    /// </summary>
    internal ReadOnlyMemory<int> Lengths() => Device.Tape is null ? _lengths : [.. _lengths];

    /// <inheritdoc/>
    protected internal override LayerState CreateEmpty(int batch) =>
        new AttentionState(Device, batch, _dim, _windowRows, _windowDim);

    /// <inheritdoc/>
    protected internal override void SetLength(int length)
    {
        int[] lengths = new int[Batch];
        Array.Fill(lengths, length);
        SetLengths(lengths);
    }

    internal override void SetLengths(ReadOnlySpan<int> lengths)
    {
        int longest = 0;
        foreach (int length in lengths)
        {
            longest = Math.Max(longest, length);
        }

        if (longest != Capacity)
        {
            Resize(longest);
        }

        lengths.CopyTo(_lengths);
    }

    internal override void Reserve(int length, Segments? segments = null, StateSlots? slots = null)
    {
        int needed = 0, count = slots?.Count ?? Batch;
        for (int i = 0; i < count; i++)
        {
            int more = segments is null ? length : segments.Offsets[i + 1] - segments.Offsets[i];
            needed = Math.Max(needed, checked(_lengths[slots is null ? i : slots.Rows[i]] + more));
        }

        MakeRoom(needed);
    }

    internal override void ReserveFor(LayerState other, int otherSlot) =>
        MakeRoom(((AttentionState)other)._lengths[otherSlot]);

    /// <summary>Whether the state belongs to a layer with these sizes on this device.</summary>
    internal bool Fits(Device device, int dim, int windowRows, int windowDim) =>
        Device == device && (_dim, _windowRows, _windowDim) == (dim, windowRows, windowDim);

    /// <summary>
    /// Appends keys and values, and replaces the convolution's window if <paramref name="window"/> exists.
    /// </summary>
    internal void Advance(DeviceArray keys, DeviceArray values, DeviceArray window, Segments? segments)
    {
        DeviceArray last = window.Exists ? window : Window;
        if (Device.Tape is null && (!IsDraft || AppendsInPlace))
        {
            Functions.Append(keys, Keys, _lengths, segments, null);
            Functions.Append(values, Values, _lengths, segments, null);
            Take(Keys, Values, last);
        }
        else
        {
            Take(After(Keys, keys, segments), After(Values, values, segments), last);
        }

        for (int i = 0; i < Batch; i++)
        {
            _lengths[i] += segments is null ? keys.Shape[1] : segments.Offsets[i + 1] - segments.Offsets[i];
        }
    }

    /// <summary>Appends keys and values in place during a step.</summary>
    internal void AdvanceInPlace(DeviceArray keys, DeviceArray values, StateSlots? slots)
    {
        Functions.Append(keys, InPlace(KeysIndex), _lengths, null, slots);
        Functions.Append(values, InPlace(ValuesIndex), _lengths, null, slots);
        int count = slots?.Count ?? Batch;
        for (int i = 0; i < count; i++)
        {
            _lengths[slots is null ? i : slots.Rows[i]] += keys.Shape[1];
        }
    }

    /// <inheritdoc/>
    protected internal override bool Grows(int index) => index != WindowIndex;

    internal override void CopyRows(int slot, LayerState other, int otherSlot)
    {
        AttentionState source = (AttentionState)other;
        int length = source._lengths[otherSlot];
        MakeRoom(length);
        for (int i = KeysIndex; i <= ValuesIndex; i++)
        {
            Device.Copy(
                source.Contents[i].RowRange((nint)otherSlot * source.Capacity, length),
                InPlace(i).RowRange((nint)slot * Capacity, length));
        }

        Device.Copy(RowOf(source.Contents[WindowIndex], otherSlot), RowOf(InPlace(WindowIndex), slot));
        _lengths[slot] = length;
    }

    /// <inheritdoc/>
    protected override void Copied(LayerState other) => _lengths = [.. ((AttentionState)other)._lengths];

    /// <inheritdoc/>
    protected override void Exchanged(LayerState other)
    {
        AttentionState clone = (AttentionState)other;
        (_lengths, clone._lengths) = (clone._lengths, _lengths);
    }

    /// <inheritdoc/>
    protected override void Viewed() => _lengths = [.. _lengths];

    private void MakeRoom(int length)
    {
        MakeOwn();
        if (length > Capacity)
        {
            Resize((int)Math.Max(length, Math.Min(2L * Capacity, Array.MaxLength)));
        }
    }

    /// <summary>Past and next tokens joined, padded with zeros to the longest sequence.</summary>
    private DeviceArray After(DeviceArray past, DeviceArray next, Segments? segments)
    {
        Sequences sequences = new(next.Shape, segments);
        int capacity = past.Shape[1], tokens = sequences.Tokens, longest = 0;
        for (int i = 0; i < Batch; i++)
        {
            longest = Math.Max(longest, checked(_lengths[i] + sequences.Length(i)));
        }

        int[] order = new int[checked(Batch * longest)];
        Array.Fill(order, -1);
        for (int i = 0; i < Batch; i++)
        {
            Span<int> own = order.AsSpan(i * longest, longest);
            for (int t = 0; t < _lengths[i] + sequences.Length(i); t++)
            {
                own[t] = t < _lengths[i]
                    ? (i * capacity) + t
                    : (Batch * capacity) + sequences.Start(i) + t - _lengths[i];
            }
        }

        DeviceArray rows = Functions.Concat(
            past.Reshape([1, checked(Batch * capacity * _dim)]),
            Functions.Contiguous(next).Reshape([1, checked(tokens * _dim)]));
        return Functions.Gather(rows.Reshape([1, (Batch * capacity) + tokens, _dim]), Device.Indices(order))
            .Reshape([Batch, longest, _dim]);
    }
}
