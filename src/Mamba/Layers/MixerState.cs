using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>The state of a Mamba mixer: the last inputs of the convolution, and h.</summary>
/// <remarks>
/// A sequence that has read no tokens is fresh: its h is the mixer's learned initial state. That state is read with the
/// first tokens, not copied earlier, so that a tape carries a gradient to it.
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

    /// <summary>Makes a state in which all sequences are fresh.</summary>
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
    /// h: shape [batch, states, channels] in Mamba-1 and real S4D; [batch, 2, states, channels] in complex S4D, real
    /// parts first; [batch, heads, headDim, states] in Mamba-2.
    /// </summary>
    public DeviceArray Hidden => Arrays[HiddenIndex];

    /// <inheritdoc/>
    protected internal override bool CanRecord => true;

    /// <summary>The state's own memory of the window, for an in-place step.</summary>
    internal DeviceArray WindowInPlace => InPlace(WindowIndex);

    /// <summary>Whether the state belongs to a layer with these shapes on its device.</summary>
    internal bool Fits(RecurrentMixer mixer) =>
        Device == mixer.Device
        && _mixer.HiddenShape == mixer.HiddenShape
        && _mixer.Convolution.Width == mixer.Convolution.Width
        && _mixer.Convolution.Channels == mixer.Convolution.Channels;

    /// <summary>
    /// Assigns the state to the mixer that reads next. Fresh rows start from that mixer's initial state; the mixer may
    /// belong to another model with equal sizes.
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

    /// <summary>h before the next token, with the learned initial state in fresh rows.</summary>
    internal DeviceArray HiddenBefore()
    {
        int fresh = _mixer.InitialState is not null && IsUntouched ? _fresh.Count(isFresh => isFresh) : 0;
        return fresh == 0 ? Hidden
            : fresh == Batch ? Functions.Repeat(_mixer.InitialState!.Value, Batch)
            : WithFreshRows(_mixer.InitialState!.Value);
    }

    /// <summary>The state's own memory of h, for an in-place step.</summary>
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

    /// <summary>Takes over the window and h after a sequence; no row is fresh any more.</summary>
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

    /// <summary>Whether h was not uploaded by the caller since freshness was recorded.</summary>
    private bool IsUntouched => Hidden.Storage.Uploads == _uploads;

    private bool[] FreshRows() => IsUntouched ? [.. _fresh] : new bool[Batch];

    private void Note(bool[] fresh) => (_fresh, _uploads) = (fresh, Hidden.Storage.Uploads);

    /// <summary>Replaces fresh rows of h by the learned initial state, with gradients to both.</summary>
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
