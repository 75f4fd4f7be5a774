using Mamba.Operations;

namespace Mamba.Models;

/// <summary>Restores the states of all layers if a step of the model, which changes them in place, fails.</summary>
internal readonly ref struct ModelStepGuard
{
    private readonly ModelState _state;
    private readonly ModelState? _before;
    private readonly StateSlots? _slots;

    /// <summary>Begins a step.</summary>
    /// <param name="state">The state that the step changes.</param>
    /// <param name="isSafe">
    /// Whether the step will find all its memory in the device's pool, so that it cannot fail.
    /// </param>
    /// <param name="slots">The texts of the state that step; null: all.</param>
    public ModelStepGuard(ModelState state, bool isSafe, StateSlots? slots)
    {
        (_state, _slots) = (state, slots);
        _before = isSafe ? null : state.Clone(slots);
        state.SetGuarded(true);
    }

    /// <summary>Ends a successful step.</summary>
    public void Done() => _state.SetGuarded(false);

    public void Dispose()
    {
        if (_state.Layers.Count > 0 && _state.Layers[0].IsGuarded)
        {
            _state.SetGuarded(false);
            _state.Restore(_before, _slots);
            _before?.Dispose();
        }
        else
        {
            _before?.DisposeUnrecorded();
        }
    }
}
