namespace Mamba.Models;

/// <summary>
/// Puts the states of all layers back if a model's step, which changes them in place, fails half way.
/// </summary>
internal readonly ref struct ModelStepGuard
{
    private readonly ModelState _state;
    private readonly ModelState? _before;

    /// <summary>Begins a step.</summary>
    /// <param name="state">What the step changes.</param>
    /// <param name="isSafe">
    /// Whether the step will find all its memory in the device's pool, so that it cannot fail.
    /// </param>
    public ModelStepGuard(ModelState state, bool isSafe)
    {
        _state = state;
        _before = isSafe ? null : state.Clone();
        state.SetGuarded(true);
    }

    /// <summary>Ends a step that has succeeded.</summary>
    public void Done() => _state.SetGuarded(false);

    public void Dispose()
    {
        if (_state.Layers.Count > 0 && _state.Layers[0].IsGuarded)
        {
            _state.SetGuarded(false);
            _state.Restore(_before);
        }

        _before?.Dispose();
    }
}
