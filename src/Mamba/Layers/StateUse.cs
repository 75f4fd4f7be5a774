namespace Mamba.Layers;

/// <summary>
/// The use of a state by the calling thread, until it is disposed; other threads are refused meanwhile.
/// </summary>
/// <remarks>A mixer of your own begins its Forward and Step with <c>using StateUse use = new(state);</c>.</remarks>
public readonly ref struct StateUse : IDisposable
{
    private readonly LayerState? _state;
    private readonly bool _isRead;

    /// <summary>Begins to use a state.</summary>
    /// <param name="state">The state; null: there is nothing to use.</param>
    /// <param name="isRead">Whether it is only copied, as several threads may do at once.</param>
    /// <exception cref="InvalidOperationException">Another thread uses the state.</exception>
    public StateUse(LayerState? state, bool isRead = false)
    {
        state?.Enter(isRead);
        (_state, _isRead) = (state, isRead);
    }

    /// <summary>Ends the use.</summary>
    public void Dispose() => _state?.Exit(_isRead);
}
