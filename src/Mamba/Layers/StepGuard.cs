using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>Puts a state back if a step, which changes it in place, fails half way.</summary>
/// <remarks>
/// A step can fail half way only for lack of memory. Once a step has found all its memory in the pool of its thread's
/// context, the next one will; until then the state is cloned first, so that later steps cost nothing more.
/// <para>
/// A mixer of your own that steps in place does so between <c>using StepGuard guard = new(this, state);</c> and
/// <c>return guard.Done(y);</c>. It checks everything before the guard: a step that fails later for another reason
/// than memory may have no clone to go back to, and its state is then refused by name until another one is copied over
/// it. In a step of a composite state the guard covers all parts.
/// </para>
/// </remarks>
public readonly ref struct StepGuard
{
    private readonly WarmBatches.Entry _warm;
    private readonly LayerState _state;
    private readonly LayerState? _before;
    private readonly StateSlots? _slots;
    private readonly long _allocations;

    /// <summary>Begins a step; without a tape, and in a scope of the device.</summary>
    /// <param name="mixer">The mixer that steps.</param>
    /// <param name="state">What it changes in place.</param>
    /// <param name="slots">Which sequences of the state; null: all.</param>
    public StepGuard(SequenceMixer mixer, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        ArgumentNullException.ThrowIfNull(state);
        (_warm, _state, _slots) = (mixer.Warm.Of(state.Device.RequireContext()), state, slots);
        _before = state.IsGuarded || _warm.Covers(Count, state.Room) ? null : state.Clone(slots);
        _allocations = _warm.Context.Allocations;
        state.IsStepping = !state.IsGuarded;
        state.IsChanged &= state.IsGuarded;
    }

    private int Count => _slots?.Count ?? _state.Batch;

    /// <summary>Ends a step that has succeeded.</summary>
    /// <param name="y">What it computed.</param>
    /// <returns>The same.</returns>
    public DeviceArray Done(DeviceArray y)
    {
        _state.IsStepping = false;
        _warm.Note(Count, _state.Room, _allocations);
        return y;
    }

    /// <summary>Puts the state back, unless the step has succeeded.</summary>
    public void Dispose()
    {
        if (_state.IsStepping)
        {
            _state.IsStepping = false;
            if (_state.IsChanged)
            {
                _state.Restore(_before, _slots);
            }
        }

        _before?.Dispose();
    }
}
