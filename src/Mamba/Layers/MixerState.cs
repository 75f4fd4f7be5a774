using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>What a Mamba mixer remembers: the convolution's last inputs, and h.</summary>
/// <remarks>
/// A sequence that has read nothing is fresh: its h is the mixer's learned initial state as it is when the first tokens
/// are read, not a copy of it from before, so that a tape carries a gradient to it.
/// </remarks>
/// <example>
/// <code>
/// using LayerState state = mixer.CreateState(batch: 2);
/// mixer.Forward(x, state);
/// float[] hidden = ((MixerState)state).Hidden.ToArray();
/// </code>
/// </example>
public sealed class MixerState : LayerState
{
    private const int WindowIndex = 0, HiddenIndex = 1;

    private RecurrentMixer _mixer;
    private bool[] _fresh;
    private int _uploads;

    /// <summary>Makes a state of sequences that have not begun.</summary>
    /// <param name="mixer">The layer.</param>
    /// <param name="batch">Number of sequences.</param>
    internal MixerState(RecurrentMixer mixer, int batch)
        : base(mixer.Device, batch)
    {
        _mixer = mixer;
        _fresh = new bool[batch];
        Array.Fill(_fresh, true);
        Allocate(
            [batch, mixer.Convolution.Width - 1, mixer.Convolution.Channels],
            Shape.Create([batch, .. mixer.HiddenShape.ToArray()]));
    }

    /// <summary>The last inputs of the convolution, oldest first, shape [batch, convWidth - 1, channels].</summary>
    public DeviceArray Window => Arrays[WindowIndex];

    /// <summary>
    /// h: shape [batch, states, channels] in Mamba-1 and real S4D, [batch, 2, states, channels] in complex S4D, where
    /// real parts come first, [batch, heads, headDim, states] in Mamba-2.
    /// </summary>
    public DeviceArray Hidden => Arrays[HiddenIndex];

    /// <inheritdoc/>
    protected internal override bool CanRecord => true;

    /// <summary>The window's own memory, for a step.</summary>
    internal DeviceArray WindowInPlace => InPlace(WindowIndex);

    /// <summary>Whether the state is of a layer with these shapes, on its device.</summary>
    internal bool Fits(RecurrentMixer mixer) =>
        Device == mixer.Device
        && _mixer.HiddenShape == mixer.HiddenShape
        && _mixer.Convolution.Width == mixer.Convolution.Width
        && _mixer.Convolution.Channels == mixer.Convolution.Channels;

    /// <summary>
    /// Makes this the state of the mixer that reads next, from whose initial state fresh rows begin: of another model
    /// of the same kind, perhaps.
    /// </summary>
    /// <param name="mixer">The mixer.</param>
    protected internal override void BeginWith(SequenceMixer mixer)
    {
        bool hadInitial = _mixer.InitialState is not null;
        _mixer = (RecurrentMixer)mixer;
        if (hadInitial && _mixer.InitialState is null)
        {
            using DeviceScope scope = Device.Scope();
            WriteFreshRows(Device.Zeros(_mixer.HiddenShape));
        }
    }

    /// <summary>h before the next token, with what is learned in place of fresh rows.</summary>
    internal DeviceArray HiddenBefore()
    {
        int fresh = _mixer.InitialState is not null && IsUntouched ? _fresh.Count(isFresh => isFresh) : 0;
        return fresh == 0 ? Hidden
            : fresh == Batch ? Functions.Repeat(_mixer.InitialState!.Value, Batch)
            : WithFreshRows(_mixer.InitialState!.Value);
    }

    /// <summary>h's own memory, for a step.</summary>
    /// <param name="slots">The sequences that step; null: all.</param>
    internal DeviceArray HiddenInPlace(StateSlots? slots)
    {
        PrepareStep(slots);
        return InPlace(HiddenIndex);
    }

    /// <inheritdoc/>
    protected internal override void PrepareStep(StateSlots? slots = null)
    {
        base.PrepareStep(slots);
        if (_mixer.InitialState is { } initial)
        {
            WriteFreshRows(initial.Value, slots);
        }

        if (slots is null)
        {
            Array.Clear(_fresh);
            return;
        }

        foreach (int row in slots.Rows)
        {
            _fresh[row] = false;
        }
    }

    /// <summary>Moves on by some tokens.</summary>
    internal void Advance(DeviceArray window, DeviceArray hidden)
    {
        Take(window, hidden);
        Array.Clear(_fresh);
    }

    /// <inheritdoc/>
    protected internal override LayerState CreateEmpty(int batch) => new MixerState(_mixer, batch);

    /// <inheritdoc/>
    protected internal override void Refresh()
    {
        if (_mixer.InitialState is { } initial)
        {
            WriteFreshRows(initial.Value);
        }
    }

    private void WriteFreshRows(DeviceArray initial, StateSlots? slots = null)
    {
        if (!IsUntouched || !_fresh.Contains(true))
        {
            return;
        }

        using DeviceScope scope = Device.Scope();
        int width = (int)initial.Shape.Count;
        DeviceArray row = initial.Reshape([1, width]), rows = Hidden.Reshape([Batch, width]);
        for (int i = 0; i < (slots?.Count ?? Batch); i++)
        {
            int slot = slots is null ? i : slots.Rows[i];
            if (_fresh[slot])
            {
                Device.Copy(row, rows.RowRange(slot, 1));
            }
        }
    }

    /// <inheritdoc/>
    protected override void Copied(LayerState other) => Note(((MixerState)other).FreshRows());

    /// <inheritdoc/>
    protected override void Exchanged(LayerState other)
    {
        MixerState clone = (MixerState)other;
        (_fresh, clone._fresh) = (clone._fresh, _fresh);
        (_uploads, clone._uploads) = (clone._uploads, _uploads);
    }

    /// <inheritdoc/>
    protected override void SlotCopied(int slot, LayerState other, int otherSlot)
    {
        bool[] fresh = FreshRows();
        fresh[slot] = ((MixerState)other).FreshRows()[otherSlot];
        Note(fresh);
    }

    /// <inheritdoc/>
    protected override void Viewed() => Note(FreshRows());

    /// <summary>Whether the caller has not written another h.</summary>
    private bool IsUntouched => Hidden.Storage.Uploads == _uploads;

    private bool[] FreshRows() => IsUntouched ? [.. _fresh] : new bool[Batch];

    private void Note(bool[] fresh) => (_fresh, _uploads) = (fresh, Hidden.Storage.Uploads);

    /// <summary>Puts what is learned in place of some rows of h, with gradients to both.</summary>
    private DeviceArray WithFreshRows(DeviceArray initial)
    {
        int width = (int)initial.Shape.Count;
        int[] order = new int[Batch];
        for (int i = 0; i < Batch; i++)
        {
            order[i] = _fresh[i] ? Batch : i;
        }

        DeviceArray rows = Functions.Concat(Hidden.Reshape([1, Batch * width]), initial.Reshape([1, width]));
        return Functions.Gather(rows.Reshape([1, Batch + 1, width]), Device.Indices(order)).Reshape(Hidden.Shape);
    }
}
