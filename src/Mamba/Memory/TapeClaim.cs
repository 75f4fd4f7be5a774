namespace Mamba.Memory;

/// <summary>Holds trainable weights for the tapes that live on one thread at once.</summary>
/// <remarks>
/// The gradients of a parameter add up in one array, so tapes of two threads would race. A storage refers to the first
/// claim; a claim that has ended may be replaced.
/// </remarks>
/// <param name="thread">The managed id of the thread.</param>
internal sealed class TapeClaim(int thread)
{
    private int _tapes;
    private volatile bool _isOver;

    public int Thread { get; } = thread;

    /// <summary>Whether no tape lives that the claim was made for.</summary>
    public bool IsOver => _isOver;

    /// <summary>Counts a tape that begins.</summary>
    public void Begin() => _tapes++;

    /// <summary>Counts a tape that ends.</summary>
    public void EndTape()
    {
        if (--_tapes == 0)
        {
            End();
        }
    }

    /// <summary>Ends the claim, whatever tapes there are.</summary>
    public void End() => _isOver = true;
}
