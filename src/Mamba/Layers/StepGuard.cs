using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>Restores a state if a step that updates it in place fails.</summary>
/// <remarks>
/// After its checks a step can fail only for lack of memory. Once a step has found all its memory in the pool of its
/// thread's context, later steps of that size will too. Until then the guard clones the state first; later steps need
/// no clone.
/// <para>
/// A mixer of your own that steps in place does so between <c>using StepGuard guard = new(this, state);</c> and
/// <c>return guard.Done(y);</c>. It makes all checks before the guard: if a step fails later for another reason than
/// memory, there may be no clone to restore. The state then throws until another state is copied over it. In a step of
/// a composite state the guard covers all parts.
/// </para>
/// </remarks>
public readonly ref struct StepGuard
{
    private readonly WarmBatches.Entry _warm;
    private readonly LayerState _state;
    private readonly LayerState? _before;
    private readonly StateSlots? _slots;
    private readonly long _allocations;

    /// <summary>Begins a step. Requires a scope of the device and no tape.</summary>
    /// <param name="mixer">The mixer that steps.</param>
    /// <param name="state">The state that the step changes in place.</param>
    /// <param name="slots">The sequences of the state that step; null: all.</param>
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

    /// <summary>Ends a successful step.</summary>
    /// <param name="y">The output of the step.</param>
    /// <returns>The same output.</returns>
    public DeviceArray Done(DeviceArray y)
    {
        _state.IsStepping = false;
        _warm.Note(Count, _state.Room, _allocations);
        return y;
    }

    /// <summary>Restores the state unless the step has succeeded.</summary>
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
