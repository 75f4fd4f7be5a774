namespace Mamba.Layers;

/// <summary>
/// Tracks which thread changes a state, or how many threads copy it. It never blocks: a conflicting attempt returns
/// false.
/// </summary>
internal sealed class UseLock
{
    /// <summary>
    /// The managed id of the thread that changes the state; or minus the number of threads that copy it; or 0.
    /// </summary>
    private int _holder;
    private int _nested;

    /// <summary>The id of another thread that changes the state; -1 if threads copy it; otherwise 0.</summary>
    public int OtherThread => Volatile.Read(ref _holder) switch
    {
        < 0 => -1,
        int thread => thread == Environment.CurrentManagedThreadId ? 0 : thread,
    };

    /// <summary>Acquires the state for changes; reentrant on the same thread.</summary>
    public bool TryEnter()
    {
        int thread = Environment.CurrentManagedThreadId;
        if (Volatile.Read(ref _holder) == thread)
        {
            _nested++;
            return true;
        }

        return Interlocked.CompareExchange(ref _holder, thread, 0) == 0;
    }

    public void Exit()
    {
        if (_nested > 0)
        {
            _nested--;
        }
        else
        {
            Interlocked.Exchange(ref _holder, 0);
        }
    }

    /// <summary>Acquires the state for copying; several threads may do so at once.</summary>
    public bool TryEnterRead()
    {
        int thread = Environment.CurrentManagedThreadId;
        int found = Volatile.Read(ref _holder);
        while (found <= 0)
        {
            int before = Interlocked.CompareExchange(ref _holder, found - 1, found);
            if (before == found)
            {
                return true;
            }

            found = before;
        }

        _nested += found == thread ? 1 : 0;
        return found == thread;
    }

    public void ExitRead()
    {
        if (Volatile.Read(ref _holder) > 0)
        {
            Exit(); // the thread that changes the state has copied it itself
        }
        else
        {
            Interlocked.Increment(ref _holder);
        }
    }
}
