using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Puts a state back if a step, which changes it in place, fails half way.</summary>
/// <remarks>
/// A step can fail half way only for lack of memory. Once a step has found all its memory in the pool of its thread's
/// context, the next one will; until then the state is cloned first, so that later steps cost nothing more.
/// </remarks>
internal readonly ref struct StepGuard
{
    private readonly WarmBatches.Entry _warm;
    private readonly LayerState _state;
    private readonly LayerState? _before;
    private readonly long _allocations;

    /// <summary>Begins a step.</summary>
    public StepGuard(SequenceMixer mixer, LayerState state)
    {
        (_warm, _state) = (mixer.Warm.Of(state.Device.RequireContext()), state);
        _before = state.IsGuarded || _warm.Covers(state.Batch) ? null : state.Clone();
        _allocations = _warm.Context.Allocations;
        state.IsStepping = !state.IsGuarded;
        state.IsChanged &= state.IsGuarded;
    }

    /// <summary>Ends a step that has succeeded.</summary>
    /// <returns>What it computed.</returns>
    public DeviceArray Done(DeviceArray y)
    {
        _state.IsStepping = false;
        _warm.Note(_state.Batch, _allocations);
        return y;
    }

    public void Dispose()
    {
        if (_state.IsStepping)
        {
            _state.IsStepping = false;
            if (_state.IsChanged)
            {
                _state.Restore(_before);
            }
        }

        _before?.Dispose();
    }
}
