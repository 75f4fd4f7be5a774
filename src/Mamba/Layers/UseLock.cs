namespace Mamba.Layers;

/// <summary>
/// Says which thread changes a state, or how many copy it. Nobody waits for it: who comes second is refused.
/// </summary>
internal sealed class UseLock
{
    /// <summary>
    /// The managed id of the thread that changes the state; minus the number of those that copy it; or 0.
    /// </summary>
    private int _holder;
    private int _nested;

    /// <summary>
    /// The thread that changes the state, unless it is the calling one; -1 for threads that copy it; else 0.
    /// </summary>
    public int OtherThread => Volatile.Read(ref _holder) switch
    {
        < 0 => -1,
        int thread => thread == Environment.CurrentManagedThreadId ? 0 : thread,
    };

    /// <summary>Takes the state to change it; again if the calling thread does already.</summary>
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

    /// <summary>Takes the state to copy it, as several threads may at once.</summary>
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
            Exit(); // the thread that changes the state copied it meanwhile
        }
        else
        {
            Interlocked.Increment(ref _holder);
        }
    }
}
