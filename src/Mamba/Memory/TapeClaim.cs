namespace Mamba.Memory;

/// <summary>A claim on trainable weights by the live tapes of one thread.</summary>
/// <remarks>
/// The gradients of a parameter accumulate in one array, so tapes of two threads would race. A storage keeps its first
/// claim; a claim that is over may be replaced.
/// </remarks>
/// <param name="thread">The managed id of the thread.</param>
internal sealed class TapeClaim(int thread)
{
    private int _tapes;
    private volatile bool _isOver;

    public int Thread { get; } = thread;

    /// <summary>Whether all tapes of this claim have ended.</summary>
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

    /// <summary>Ends the claim regardless of its tapes.</summary>
    public void End() => _isOver = true;
}
