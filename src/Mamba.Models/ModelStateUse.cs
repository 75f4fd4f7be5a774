namespace Mamba.Models;

/// <summary>
/// Reserves a model's state for the calling thread until disposed. Other threads that try to use the state get an
/// exception.
/// </summary>
internal readonly ref struct ModelStateUse : IDisposable
{
    private readonly ModelState? _state;
    private readonly bool _isRead;

    /// <summary>Begins the use of a state.</summary>
    /// <param name="state">The state; null does nothing.</param>
    /// <param name="isRead">Whether the state is only copied; several threads may copy it at once.</param>
    /// <exception cref="InvalidOperationException">Another thread uses the state.</exception>
    public ModelStateUse(ModelState? state, bool isRead = false)
    {
        state?.Enter(isRead);
        (_state, _isRead) = (state, isRead);
    }

    public void Dispose() => _state?.Exit(_isRead);
}
