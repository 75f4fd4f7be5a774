namespace Mamba.Layers;

/// <summary>
/// Reserves a state for the calling thread until disposed. Other threads that try to use the state get an exception.
/// </summary>
/// <remarks>Begin the Forward and Step of your own mixer with <c>using StateUse use = new(state);</c>.</remarks>
/// <example>
/// <code>
/// using StateUse use = new(state);
/// DeviceArray y = mixer.Forward(x, state);                              // another thread gets an exception meanwhile
/// </code>
/// </example>
public readonly ref struct StateUse : IDisposable
{
    private readonly LayerState? _state;
    private readonly bool _isRead;

    /// <summary>Begins the use of a state.</summary>
    /// <param name="state">The state; null does nothing.</param>
    /// <param name="isRead">Whether the state is only copied; several threads may copy it at once.</param>
    /// <exception cref="InvalidOperationException">Another thread uses the state.</exception>
    public StateUse(LayerState? state, bool isRead = false)
    {
        state?.Enter(isRead);
        (_state, _isRead) = (state, isRead);
    }

    /// <summary>Ends the use.</summary>
    public void Dispose() => _state?.Exit(_isRead);
}
